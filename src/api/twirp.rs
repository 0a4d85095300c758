//! Twirp on axum: a table of methods, and the errors that the protocol asks for
//! before a method is reached. By the Twirp wire protocol, version 7.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use prost::{Message, Name};

use super::error::ApiError;
use crate::proto::twirp::{Code, Encoding, TwirpError};
use crate::serve::body;
use crate::serve::respond::{answer_error, malformed, respond};

/// The largest request, in bytes.
const MOST: usize = 4 * 1024 * 1024;
/// Where every Twirp path begins.
const PREFIX: &str = "/twirp/";

type Handler<C> =
    Arc<dyn Fn(C, Encoding, Bytes) -> BoxFuture<'static, Result<Vec<u8>, ApiError>> + Send + Sync>;

/// Methods by `SERVICE/METHOD`; `C` is what each call is made with.
pub(super) struct Methods<C> {
    table: HashMap<&'static str, Handler<C>>,
}

impl<C> Default for Methods<C> {
    fn default() -> Self {
        let table = HashMap::new();
        Self { table }
    }
}

impl<C: Send + 'static> Methods<C> {
    /// The same with one more method.
    pub(super) fn with<Q, A, F, R>(mut self, name: &'static str, method: F) -> Self
    where
        Q: Message + Name + Default,
        A: Message + Name,
        F: Fn(C, Q) -> R + Send + Sync + 'static,
        R: Future<Output = Result<A, ApiError>> + Send + 'static,
    {
        let handler: Handler<C> = Arc::new(move |context, encoding, bytes| {
            let answer = encoding
                .decode(&bytes)
                .map_err(|error| malformed(&error))
                .map(|request| method(context, request));
            async move { Ok(encoding.encode(&answer?.await?)?) }.boxed()
        });
        self.table.insert(name, handler);
        self
    }

    /// Answers one request.
    pub(super) async fn call(&self, context: C, request: Request) -> Response {
        let path = request.uri().path().to_owned();
        match self.answer(context, &path, request).await {
            Ok((encoding, bytes)) => respond(StatusCode::OK, encoding.content_type(), bytes),
            Err(error) => answer_error(&error.told(&path)),
        }
    }

    async fn answer(
        &self,
        context: C,
        path: &str,
        request: Request,
    ) -> Result<(Encoding, Vec<u8>), ApiError> {
        let handler = path
            .strip_prefix(PREFIX)
            .and_then(|name| self.table.get(name))
            .ok_or_else(|| bad_route(path, "no such method"))?;
        if request.method() != Method::POST {
            let why = format!("{} is not POST", request.method());
            return Err(bad_route(path, &why).into());
        }
        let content_type = request
            .headers()
            .get(CONTENT_TYPE)
            .map_or("", |value| value.to_str().unwrap_or("?"));
        let encoding = Encoding::from_content_type(content_type).ok_or_else(|| {
            let why = "the content type must be application/protobuf or application/json";
            bad_route(path, &format!("{why}, not {content_type:?}"))
        })?;
        let bytes = body::read(request, MOST).await?;
        let answer = AssertUnwindSafe(handler(context, encoding, bytes));
        let bytes = answer
            .catch_unwind()
            .await
            .unwrap_or(Err(ApiError::Panicked))?;
        Ok((encoding, bytes))
    }
}

fn bad_route(path: &str, why: &str) -> TwirpError {
    let shown: String = path.chars().take(200).collect();
    TwirpError::new(Code::BadRoute, format!("{shown}: {why}"))
}
