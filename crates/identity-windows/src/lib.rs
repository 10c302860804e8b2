//! Process identity on Windows
