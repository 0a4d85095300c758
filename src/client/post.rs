//! Posts JSON to a chat service, for the hooks that pass events on.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use url::Url;

use super::http_client;

/// A chat that does not answer within this time gets the message again later.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a message was not taken. Nothing in it shows the URL, which is a secret.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    #[error("the URL cannot be used: {0}")]
    Url(url::ParseError),
    #[error("the HTTP client cannot be made")]
    Build(#[source] reqwest::Error),
    #[error("no answer")]
    Send(#[source] reqwest::Error),
    #[error("it answered with status {0}")]
    Status(u16),
}

/// One place to post to. Clones share their connections.
#[derive(Clone)]
pub struct Poster {
    http: reqwest::Client,
    url: Url,
}

impl Poster {
    pub fn new(url: &str) -> Result<Self, PostError> {
        let url = Url::parse(url).map_err(PostError::Url)?;
        let http = http_client(&url).map_err(PostError::Build)?;
        Ok(Self { http, url })
    }

    /// Posts a JSON text; any answer but 2xx is an error.
    pub async fn post(&self, json: String) -> Result<(), PostError> {
        let answer = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .timeout(PATIENCE)
            .body(json)
            .send()
            .await
            .map_err(|error| PostError::Send(error.without_url()))?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(PostError::Status(answer.status().as_u16()))
        }
    }
}
