//! A spec made ready to be sent: what does not change from probe to probe is parsed once.
//! A redirect makes a new request out of the one before.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    USER_AGENT,
};
use hyper::{Method, Request, StatusCode, Uri};
use url::{Position, Url};

use super::failure::Failure;
use crate::egress::webhook::USER_AGENT as OURS;
use crate::model::check::{self, Assert, CheckSpec};
use crate::model::id::CheckId;
use crate::model::observation::ErrorClass;

/// Names the check to the site, so that its owner can tell us from others.
const CHECK: HeaderName = HeaderName::from_static("x-lokahi-check");

/// Declared headers that may go to another origin; any other could carry a secret.
const HARMLESS: [&str; 8] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "content-type",
    "pragma",
    "user-agent",
];

/// A check, ready to be probed.
#[derive(Debug)]
pub struct Prepared {
    pub(super) first: Hop,
    pub(super) timeout: std::time::Duration,
    pub(super) asserts: Box<[Assert]>,
}

/// One request of a probe.
#[derive(Debug, Clone)]
pub(super) struct Hop {
    pub(super) url: Url,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Prepared {
    /// The spec, ready. A spec that cannot be sent is our fault: it should not have been
    /// taken.
    pub fn new(spec: &CheckSpec) -> Result<Self, Failure> {
        let unsendable = |what: &str| Failure::internal(format!("{what} cannot be sent"));
        let url = spec.url.parse();
        let mut headers = HeaderMap::with_capacity(spec.headers.len() + 5);
        for (name, value) in &spec.headers {
            let key = HeaderName::from_bytes(name.as_bytes());
            // Bytes above 127 are sent as they are.
            let value = HeaderValue::from_bytes(value.as_bytes());
            let (Ok(key), Ok(value)) = (key, value) else {
                return Err(unsendable(&format!("the header {name:?}")));
            };
            headers.append(key, value);
        }
        headers
            .entry(USER_AGENT)
            .or_insert(HeaderValue::from_static(OURS));
        headers
            .entry(ACCEPT)
            .or_insert(HeaderValue::from_static("*/*"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if !headers.contains_key(HOST) {
            headers.insert(HOST, host(&url).ok_or_else(|| unsendable("the host"))?);
        }
        let method = method(spec.method);
        let body = Bytes::copy_from_slice(&spec.body);
        if !body.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(&method) {
            headers.insert(CONTENT_LENGTH, body.len().into());
        }
        Ok(Self {
            first: Hop {
                uri: target(&url).ok_or_else(|| unsendable("the path"))?,
                url,
                method,
                headers,
                body,
            },
            timeout: spec.timeout.duration(),
            asserts: spec.asserts.clone().into(),
        })
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.asserts
            .iter()
            .flat_map(|assert| assert.body_contains.iter().map(String::as_str))
    }
}

impl Hop {
    pub(super) fn request(&self, id: CheckId) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        let mut buffer = uuid::Uuid::encode_buffer();
        if let Ok(id) = HeaderValue::from_str(id.0.hyphenated().encode_lower(&mut buffer)) {
            request.headers_mut().insert(CHECK, id);
        }
        request
    }

    pub(super) fn same_request(&self, other: &Self) -> bool {
        self.url == other.url && self.method == other.method
    }

    /// The request to which a redirect leads. On another origin nothing goes along that
    /// could carry a secret, and what was dropped stays dropped.
    pub(super) fn redirected(&self, status: u16, location: &[u8]) -> Result<Self, Failure> {
        let broken = || {
            let location: String = String::from_utf8_lossy(location)
                .chars()
                .take(100)
                .collect();
            let detail = format!("status {status} leads to {location:?}, which is no http URL");
            Failure::new(ErrorClass::Protocol, detail)
        };
        let location = std::str::from_utf8(location).map_err(|_not_text| broken())?;
        let mut url = self.url.join(location).map_err(|_not_a_url| broken())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(broken());
        }
        url.set_fragment(None);
        let mut next = Self {
            uri: target(&url).ok_or_else(broken)?,
            url,
            ..self.clone()
        };
        // RFC 9110, section 15.4: what browsers do.
        let becomes_get = match status {
            303 => next.method != Method::HEAD,
            301 | 302 => next.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            next.method = Method::GET;
            next.body = Bytes::new();
            next.headers.remove(CONTENT_LENGTH);
            next.headers.remove(CONTENT_TYPE);
        }
        if next.url.origin() != self.url.origin() {
            let ours = [CONNECTION, CONTENT_LENGTH];
            let names: Vec<_> = next.headers.keys().cloned().collect();
            for name in names {
                if !HARMLESS.contains(&name.as_str()) && !ours.contains(&name) {
                    next.headers.remove(name);
                }
            }
            next.headers
                .insert(HOST, host(&next.url).ok_or_else(broken)?);
        }
        Ok(next)
    }
}

/// Whether the status asks to go elsewhere.
pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn method(method: check::Method) -> Method {
    match method {
        check::Method::Get => Method::GET,
        check::Method::Head => Method::HEAD,
        check::Method::Post => Method::POST,
        check::Method::Put => Method::PUT,
        check::Method::Patch => Method::PATCH,
        check::Method::Delete => Method::DELETE,
        check::Method::Options => Method::OPTIONS,
    }
}

fn host(url: &Url) -> Option<HeaderValue> {
    let host = url.host_str()?;
    match url.port() {
        Some(port) => HeaderValue::try_from(format!("{host}:{port}")).ok(),
        None => HeaderValue::try_from(host).ok(),
    }
}

fn target(url: &Url) -> Option<Uri> {
    Uri::try_from(&url[Position::BeforePath..Position::AfterQuery]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(url: &str, headers: &[(&str, &str)]) -> Hop {
        let headers = headers.iter().map(|(n, v)| (n.to_string(), v.to_string()));
        let spec = CheckSpec {
            method: check::Method::Post,
            headers: headers.collect(),
            body: b"x".to_vec(),
            ..CheckSpec::new(url.parse().unwrap())
        };
        Prepared::new(&spec).unwrap().first
    }

    fn sent(hop: &Hop) -> Vec<String> {
        let mut lines: Vec<_> = hop
            .headers
            .iter()
            .filter(|(name, _)| ![USER_AGENT, CONNECTION].contains(name))
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines.insert(0, format!("{} {}", hop.method, hop.uri));
        lines
    }

    const SECRETS: [(&str, &str); 5] = [
        ("authorization", "Bearer s"),
        ("x-api-key", "s"),
        ("cookie", "s"),
        ("accept", "text/html"),
        ("host", "inner"),
    ];

    #[test]
    fn a_declared_host_goes_instead_of_ours() {
        let hop = hop("http://[::1]:8080/a?b#c", &[("host", "inner")]);
        assert_eq!(
            sent(&hop),
            [
                "POST /a?b",
                "accept: */*",
                "content-length: 1",
                "host: inner"
            ]
        );
    }

    #[test]
    fn a_redirect_within_the_origin_keeps_everything() {
        let next = hop("https://a.example/x/y", &SECRETS)
            .redirected(307, b"../z?q")
            .unwrap();
        assert_eq!(
            sent(&next),
            [
                "POST /z?q",
                "accept: text/html",
                "authorization: Bearer s",
                "content-length: 1",
                "cookie: s",
                "host: inner",
                "x-api-key: s",
            ]
        );
    }

    #[test]
    fn a_redirect_to_another_origin_carries_no_secret() {
        for to in [
            "http://a.example/",
            "https://b.example/",
            "https://a.example:444/",
        ] {
            let next = hop("https://a.example/", &SECRETS)
                .redirected(302, to.as_bytes())
                .unwrap();
            let host = to.split('/').nth(2).unwrap();
            assert_eq!(
                sent(&next),
                [
                    "GET /".to_owned(),
                    "accept: text/html".to_owned(),
                    format!("host: {host}"),
                ]
            );
        }
    }

    #[test]
    fn a_redirect_to_what_is_not_http_is_not_followed() {
        for to in ["ftp://a/", "javascript:alert(1)", "http://", "\u{fffd}:"] {
            let next = hop("http://a/", &[]).redirected(302, to.as_bytes());
            assert!(next.is_err() || to.contains('\u{fffd}'), "{to}");
        }
    }
}
