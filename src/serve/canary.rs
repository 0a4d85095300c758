//! A page that is well or not, as somebody says, and a receiver of events beside it. Whoever does
//! not know the path finds neither.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

use super::receiver::{self, Handle};

/// The last parts of the two paths.
pub const SITE: &str = "site";
pub const EVENT: &str = "event";

/// Says whether the page is well now.
pub type IsWell = Arc<dyn Fn() -> bool + Send + Sync>;

/// Serves both below a path of one part, without slashes.
pub fn router(path: &str, is_well: IsWell, handle: Handle) -> Router {
    let answer = move || {
        let status = match is_well() {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        };
        async move { status }
    };
    Router::new()
        .route(&format!("/{path}/{SITE}"), get(answer))
        .nest(&format!("/{path}/{EVENT}"), receiver::router(handle))
}
