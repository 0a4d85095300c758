//! The one integration binary: stories over real servers.

mod prober;
mod services;
