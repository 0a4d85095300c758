//! The client that delivers webhooks. It follows no redirect and no ambient proxy, and dials
//! only what the address policy allows. A receiver that fails is a value, not an error.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response};
use time::OffsetDateTime;
use url::Host;

use super::cut;
use super::policy::AddressPolicy;
use super::resolver::Resolver;
use super::tls::{Trust, TrustError};
use super::unanswered::{CONNECT_TIMEOUT, unanswered};
use crate::clock;
use crate::model::value::HttpUrl;

/// How long a connection waits for the next event. Many servers close one after 5 s (Node.js does):
/// what is sent over it at that moment is lost, and tried again only 5 s later. The receiver may be
/// restarted between two deliveries, too.
const IDLE: Duration = Duration::from_secs(4);
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
    /// Where a redirect leads, which is not followed: scheme, host and port alone.
    pub redirect: Option<String>,
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
            redirect: redirect(&response),
            excerpt: excerpt(response).await,
            ..Posted::default()
        })
    }
}

/// The origin that a redirect leads to, if it says so.
fn redirect(response: &Response) -> Option<String> {
    let is_redirect = response.status().is_redirection();
    let location = response.headers().get(LOCATION).filter(|_| is_redirect)?;
    let url = response.url().join(location.to_str().ok()?).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.origin().ascii_serialization())
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
            let cannot = |why: &str| format!("the header {name:?} cannot be sent: {why}");
            let key = name
                .parse::<HeaderName>()
                .map_err(|_invalid| cannot("this is no name of a header"))?;
            let value = HeaderValue::from_str(value).map_err(|_invalid| {
                let why = unfit(value).unwrap_or("is none");
                cannot(&format!("its value {why}"))
            })?;
            Ok((key, value))
        })
        .collect()
}

/// Why a text can be in no value of a header (RFC 9110, section 5.5), if it cannot. It completes
/// "the value ".
pub fn unfit(value: &str) -> Option<&'static str> {
    match HeaderValue::from_str(value) {
        Ok(_) => None,
        Err(_) if value.contains(['\r', '\n']) => Some("has a line break in it"),
        Err(_) => Some("has a control character in it"),
    }
}

/// RFC 9110, section 10.2.3: seconds, or a date in any form of section 5.6.7. What is too large to
/// count is the longest; whoever waits has a limit.
fn parse_retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = value.parse().map(Duration::from_secs);
        return Some(seconds.unwrap_or(Duration::MAX));
    }
    let date = OffsetDateTime::from(httpdate::parse_http_date(value).ok()?);
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
    fn a_header_that_cannot_be_sent_says_why() {
        let of = |name: &str, value: &str| header_map(&[(name, value.to_owned())]).map(|_| ());
        assert_eq!(of("x-key", "a\tb \u{fc}"), Ok(()));
        for (name, value, why) in [
            ("x-key", "a\nb", "its value has a line break in it"),
            ("x-key", "a\r", "its value has a line break in it"),
            ("x-key", "a\0b", "its value has a control character in it"),
            ("x key", "a", "this is no name of a header"),
        ] {
            let expect = format!("the header {name:?} cannot be sent: {why}");
            assert_eq!(of(name, value), Err(expect));
        }
    }

    #[test]
    fn retry_after_in_every_form() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (value, expect) in [
            ("120", seconds(120)),
            (" 0 ", seconds(0)),
            ("99999999999999999999", Some(Duration::MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", seconds(0)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", seconds(0)),
            ("Sun Nov  6 08:49:37 1994", seconds(0)),
            ("+20", None),
            ("-1", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
        ] {
            assert_eq!(parse_retry_after(value), expect, "{value:?}");
        }
        for future in [
            "Fri, 31 Dec 2100 23:59:59 GMT",
            "Fri Dec 31 23:59:59 2100",
            // The furthest year that has two digits for it.
            &(clock::now() + time::Duration::days(10 * 365))
                .format(&time::macros::format_description!(
                    "[weekday], [day]-[month repr:short]-[year repr:last_two] [hour]:[minute]:[second] GMT"
                ))
                .unwrap(),
        ] {
            assert!(parse_retry_after(future) > seconds(3600), "{future}");
        }
    }
}
