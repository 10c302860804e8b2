//! The runtime-deps install lock: no age expiry, ever, for a live owner
