//! Process identity on macOS
