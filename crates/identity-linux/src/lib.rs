//! Process identity on Linux: pidfd, pidfs, /proc, boot id and namespaces
