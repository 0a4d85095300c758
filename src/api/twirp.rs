//! Twirp on axum: a table of methods, and the errors that the protocol asks for
//! before a method is reached. By the Twirp wire protocol, version 7.

use std::collections::BTreeMap;
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

use super::Call;
use super::error::ApiError;
use super::permit::Needs;
use crate::proto::twirp::{Code, Encoding, TwirpError};
use crate::serve::body;
use crate::serve::respond::{answer_error, malformed, respond};

/// The largest request, in bytes.
const MOST: usize = 4 * 1024 * 1024;
/// Where every Twirp path begins.
const PREFIX: &str = "/twirp/";
/// The package of every service; people leave it out.
const PACKAGE: &str = "github.xe.lokahi.";

type Handler = Arc<
    dyn Fn(Call, Encoding, Bytes) -> BoxFuture<'static, Result<Vec<u8>, ApiError>> + Send + Sync,
>;

/// A method as the documents list it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MethodRow {
    /// `PACKAGE.SERVICE/METHOD`.
    pub name: &'static str,
    /// The message that it takes.
    pub request: &'static str,
    /// The message that it returns.
    pub answer: &'static str,
    /// The scope that it needs, in Markdown.
    pub needs: String,
}

struct Registered {
    needs: Needs,
    messages: (&'static str, &'static str),
    handler: Handler,
}

/// Methods by `PACKAGE.SERVICE/METHOD`.
#[derive(Default)]
pub(super) struct Methods {
    table: BTreeMap<&'static str, Registered>,
}

impl Methods {
    /// The same with one more method, and what callers need for it.
    pub(super) fn with<Q, A, F, R>(mut self, name: &'static str, needs: Needs, method: F) -> Self
    where
        Q: Message + Name + Default,
        A: Message + Name,
        F: Fn(Call, Q) -> R + Send + Sync + 'static,
        R: Future<Output = Result<A, ApiError>> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |call, encoding, bytes| {
            let answer = encoding
                .decode(&bytes)
                .map_err(|error| malformed(&error))
                .map(|request| method(call, request));
            async move { Ok(encoding.encode(&answer?.await?)?) }.boxed()
        });
        let method = Registered {
            needs,
            messages: (Q::NAME, A::NAME),
            handler,
        };
        self.table.insert(name, method);
        self
    }

    /// All of them, by name.
    pub(super) fn rows(&self) -> impl Iterator<Item = MethodRow> {
        self.table.iter().map(|(name, method)| MethodRow {
            name,
            request: method.messages.0,
            answer: method.messages.1,
            needs: method.needs.to_string(),
        })
    }

    /// Answers one request.
    pub(super) async fn call(&self, call: Call, request: Request) -> Response {
        let path = request.uri().path().to_owned();
        match self.answer(call, &path, request).await {
            Ok((encoding, bytes)) => respond(StatusCode::OK, encoding.content_type(), bytes),
            Err(error) => answer_error(&error.told(&path)),
        }
    }

    async fn answer(
        &self,
        call: Call,
        path: &str,
        request: Request,
    ) -> Result<(Encoding, Vec<u8>), ApiError> {
        let (name, method) = path
            .strip_prefix(PREFIX)
            .and_then(|name| self.table.get_key_value(name))
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
        // Read first: whoever still sends would not hear a refusal.
        let bytes = body::read(request, MOST).await?;
        let call = Call {
            method: name.strip_prefix(PACKAGE).unwrap_or(name),
            ..call
        };
        if let Some(scope) = method.needs.scope() {
            call.needs(&scope).await?;
        }
        let answer = AssertUnwindSafe((method.handler)(call, encoding, bytes));
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
