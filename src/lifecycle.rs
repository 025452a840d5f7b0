//! Signals, systemd, drain: the life of the process.
