//! The integration suite: one binary, real servers.
