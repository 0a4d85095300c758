//! The one integration binary: stories over real servers.

mod services;
