//! The session write lock: one writer per session file, overdue holders reclaimed
