//! The client that delivers webhooks. It follows no redirect and no ambient proxy, and dials
//! only what the address policy allows. A receiver that fails is a value, not an error.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response};
use time::PrimitiveDateTime;
use time::macros::format_description;
use url::Host;

use super::cut;
use super::policy::AddressPolicy;
use super::resolver::Resolver;
use super::tls::{Trust, TrustError};
use super::unanswered::{CONNECT_TIMEOUT, unanswered};
use crate::clock;
use crate::model::value::HttpUrl;

/// The receiver may be restarted between two deliveries: an older connection is not tried.
const IDLE: Duration = Duration::from_secs(10);
/// How much of an answer is kept, and how long it is waited for.
const EXCERPT: usize = 4 * 1024;
const EXCERPT_TIMEOUT: Duration = Duration::from_secs(5);
/// How this program names itself to others.
pub const USER_AGENT: &str = concat!(
    "lokahi/",
    env!("CARGO_PKG_VERSION"),
    " (+https://github.com/Xe/lokahi)"
);

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum WebhookClientError {
    #[error("setting up TLS for webhooks")]
    Tls(#[source] TrustError),
    #[error("setting up the webhook client")]
    Client(#[source] reqwest::Error),
}

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Posted {
    /// The receiver's answer; absent when there was none.
    pub status: Option<u16>,
    /// Why there was none, for people; it never shows the URL's query.
    pub error: Option<String>,
    /// The beginning of what the receiver answered, at most 4 KiB.
    pub excerpt: String,
    /// How long the receiver asks us to wait.
    pub retry_after: Option<Duration>,
    pub took: Duration,
}

/// Posts to receivers. Clones share their connections.
#[derive(Debug, Clone)]
pub struct WebhookClient {
    client: Client,
    policy: Arc<AddressPolicy>,
}

impl WebhookClient {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the door that the lint points to"
    )]
    pub fn new(
        resolver: Arc<Resolver>,
        policy: AddressPolicy,
        trust: &Trust,
    ) -> Result<Self, WebhookClientError> {
        let policy = Arc::new(policy);
        let client = Client::builder()
            .tls_backend_preconfigured(trust.client_config().map_err(WebhookClientError::Tls)?)
            .dns_resolver(Arc::new(PolicedResolver {
                resolver,
                policy: Arc::clone(&policy),
            }))
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE)
            .user_agent(USER_AGENT)
            .build()
            .map_err(WebhookClientError::Client)?;
        Ok(Self { client, policy })
    }

    /// One GET, which takes `timeout` at most.
    pub async fn get(&self, url: &HttpUrl, timeout: Duration) -> Posted {
        let nothing: [(&str, String); 0] = [];
        self.timed(self.attempt(Method::GET, url, &nothing, Vec::new(), timeout))
            .await
    }

    /// One attempt, which takes `timeout` at most. A header that cannot be sent is an attempt
    /// that failed.
    pub async fn post<N: AsRef<str>>(
        &self,
        url: &HttpUrl,
        headers: &[(N, String)],
        body: Vec<u8>,
        timeout: Duration,
    ) -> Posted {
        self.timed(self.attempt(Method::POST, url, headers, body, timeout))
            .await
    }

    async fn timed(&self, attempt: impl Future<Output = Result<Posted, String>>) -> Posted {
        let begun = clock::monotonic();
        let posted = match attempt.await {
            Ok(posted) => posted,
            Err(error) => Posted {
                error: Some(error),
                ..Posted::default()
            },
        };
        Posted {
            took: clock::monotonic().duration_since(begun),
            ..posted
        }
    }

    async fn attempt<N: AsRef<str>>(
        &self,
        method: Method,
        url: &HttpUrl,
        headers: &[(N, String)],
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<Posted, String> {
        let url = url.parse();
        // Literal addresses never reach the resolver.
        let literal: Option<IpAddr> = match url.host() {
            Some(Host::Ipv4(v4)) => Some(v4.into()),
            Some(Host::Ipv6(v6)) => Some(v6.into()),
            _ => None,
        };
        if let Some(address) = literal {
            self.policy
                .check(address)
                .map_err(|denied| denied.to_string())?;
        }
        let request = self
            .client
            .request(method, url)
            .timeout(timeout)
            .headers(header_map(headers)?)
            .body(body);
        let response = request
            .send()
            .await
            .map_err(|error| unanswered(error, timeout))?;
        let status = Some(response.status().as_u16());
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(parse_retry_after);
        Ok(Posted {
            status,
            retry_after,
            excerpt: excerpt(response).await,
            ..Posted::default()
        })
    }
}

/// The beginning of the body; what does not come in time is left out.
async fn excerpt(mut response: Response) -> String {
    let mut bytes = Vec::new();
    let read = async {
        while bytes.len() < EXCERPT
            && let Ok(Some(chunk)) = response.chunk().await
        {
            bytes.extend_from_slice(&chunk);
        }
    };
    // Late or whole, what is there is what is shown.
    drop(tokio::time::timeout(EXCERPT_TIMEOUT, read).await);
    bytes.truncate(EXCERPT);
    cut(String::from_utf8_lossy(&bytes).into_owned(), EXCERPT)
}

fn header_map<N: AsRef<str>>(headers: &[(N, String)]) -> Result<HeaderMap, String> {
    headers
        .iter()
        .map(|(name, value)| {
            let name = name.as_ref();
            let key = name.parse::<HeaderName>();
            let value = HeaderValue::from_str(value);
            match (key, value) {
                (Ok(key), Ok(value)) => Ok((key, value)),
                _ => Err(format!("the header {name:?} cannot be sent")),
            }
        })
        .collect()
}

/// RFC 9110, section 10.2.3: seconds, or a date.
fn parse_retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let date = PrimitiveDateTime::parse(value, &format).ok()?.assume_utc();
    Some(Duration::try_from(date - clock::now()).unwrap_or_default())
}

/// The shared resolver, which hands on only what may be dialled.
struct PolicedResolver {
    resolver: Arc<Resolver>,
    policy: Arc<AddressPolicy>,
}

impl Resolve for PolicedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, policy) = (Arc::clone(&self.resolver), Arc::clone(&self.policy));
        Box::pin(async move {
            let found = resolver.lookup(name.as_str(), None).await?;
            let mut allowed = Vec::new();
            let mut denied = None;
            for address in found {
                match policy.check(address) {
                    Ok(()) => allowed.push((address, 0u16).into()),
                    Err(why) => denied = Some(why),
                }
            }
            match denied {
                Some(denied) if allowed.is_empty() => Err(denied.into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_in_both_forms() {
        assert_eq!(parse_retry_after("120"), Some(Duration::from_secs(120)));
        let past = parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(past, Some(Duration::ZERO));
        let future = parse_retry_after("Fri, 31 Dec 2100 23:59:59 GMT");
        assert!(future > Some(Duration::from_secs(3600)));
        assert_eq!(parse_retry_after("soon"), None);
    }
}
