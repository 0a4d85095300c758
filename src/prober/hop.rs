//! One request of a probe, with its secrets in it. A redirect makes a new one out of the one
//! before.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
    HeaderValue, USER_AGENT,
};
use hyper::{Method, Request, StatusCode, Uri};
use url::{Position, Url};

use super::failure::Failure;
use crate::egress::veil::Veil;
use crate::egress::webhook::USER_AGENT as OURS;
use crate::files::secrets::{Secret, Secrets};
use crate::model::auth::Auth;
use crate::model::check::{self, CheckSpec};
use crate::model::id::CheckId;
use crate::model::observation::ErrorClass;
use crate::model::secret::{Asking, Text};

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

/// What must be shown nowhere of what is sent.
#[derive(Default)]
pub(super) struct Used {
    pub(super) secrets: Vec<Secret>,
    /// What was made of them.
    pub(super) derived: Vec<String>,
}

impl Used {
    pub(super) fn veil(&self) -> Veil {
        let secrets = self.secrets.iter().map(Secret::expose);
        Veil::over(secrets.chain(self.derived.iter().map(String::as_str)))
    }
}

/// One request of a probe.
#[derive(Clone)]
pub(super) struct Hop {
    pub(super) url: Url,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    /// A secret stands in the body.
    secret_body: bool,
}

/// Without what may be secret.
impl std::fmt::Debug for Hop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}

impl Hop {
    pub(super) fn new(
        spec: &CheckSpec,
        secrets: &Secrets,
        asking: Asking<'_>,
        used: &mut Used,
    ) -> Result<Self, Failure> {
        let unsendable = |what: &str| Failure::internal(format!("{what} cannot be sent"));
        let url = spec.url.parse();
        let mut headers = HeaderMap::with_capacity(spec.headers.len() + 5);
        for (name, text) in &spec.headers {
            let key = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_invalid| unsendable(&format!("the header {name:?}")))?;
            headers.append(key, value(name, text, secrets, asking, used)?);
        }
        if let Some(value) = credentials(spec.auth.as_ref(), secrets, asking, used)? {
            headers.insert(AUTHORIZATION, value);
        }
        add_ours(&mut headers);
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if !headers.contains_key(HOST) {
            headers.insert(HOST, host(&url).ok_or_else(|| unsendable("the host"))?);
        }
        let mut hop = Self {
            uri: target(&url).ok_or_else(|| unsendable("the path"))?,
            url,
            method: method(spec.method),
            headers,
            body: secrets
                .fill(&spec.body, asking, &mut used.secrets)
                .map_err(|error| Failure::of_secret(&error))?
                .into(),
            secret_body: spec.body.as_plain().is_none(),
        };
        hop.measure();
        Ok(hop)
    }

    /// Says how long the body is, where that is said.
    fn measure(&mut self) {
        let bodied = [Method::POST, Method::PUT, Method::PATCH].contains(&self.method);
        if self.body.is_empty() && !bodied {
            self.headers.remove(CONTENT_LENGTH);
        } else {
            self.headers.insert(CONTENT_LENGTH, self.body.len().into());
        }
    }

    /// A form that is posted by somebody who says who he is.
    pub(super) fn form(url: Url, basic: &str, form: String) -> Result<Self, Failure> {
        let unsendable = || Failure::internal(format!("{url} cannot be asked"));
        let mut headers = HeaderMap::new();
        let mut authorization =
            HeaderValue::try_from(format!("Basic {basic}")).map_err(|_unsendable| unsendable())?;
        authorization.set_sensitive(true);
        headers.insert(AUTHORIZATION, authorization);
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form_type);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        add_ours(&mut headers);
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.insert(HOST, host(&url).ok_or_else(unsendable)?);
        let mut hop = Self {
            uri: target(&url).ok_or_else(unsendable)?,
            url,
            method: Method::POST,
            headers,
            body: form.into(),
            secret_body: true,
        };
        hop.measure();
        Ok(hop)
    }

    /// The same, by somebody who has this token; false if it cannot be sent.
    pub(super) fn authorize(&mut self, token: &str) -> bool {
        let Ok(mut value) = HeaderValue::try_from(format!("Bearer {token}")) else {
            return false;
        };
        value.set_sensitive(true);
        self.headers.insert(AUTHORIZATION, value);
        true
    }

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

    /// The same in HTTP/2, which has no connection of its own to speak of, and names the host
    /// elsewhere (RFC 9113, sections 8.2.2 and 8.3.1).
    pub(super) fn request_of_2(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let headers = request.headers_mut();
        headers.remove(CONNECTION);
        let host = headers.remove(HOST);
        let host = host.as_ref().map(HeaderValue::as_bytes).unwrap_or_default();
        let path = &self.url[Position::BeforePath..Position::AfterQuery];
        let uri = Uri::builder()
            .scheme(self.url.scheme())
            .authority(host)
            .path_and_query(path)
            .build();
        *request.uri_mut() =
            uri.map_err(|error| Failure::internal(format!("it cannot be asked: {error}")))?;
        Ok(request)
    }

    /// A proxy is asked for the whole URL (RFC 9112, section 3.2.2).
    pub(super) fn name_whole(&self, request: &mut Request<Full<Bytes>>) -> Result<(), Failure> {
        let place = &self.url[Position::BeforeHost..Position::AfterQuery];
        let uri = format!("http://{place}").parse();
        let refused = |error| Failure::internal(format!("a proxy cannot be asked for it: {error}"));
        *request.uri_mut() = uri.map_err(|error: hyper::http::uri::InvalidUri| refused(error))?;
        Ok(())
    }

    /// Whether it may be asked twice as well as once (RFC 9110, section 9.2.2).
    pub(super) fn is_idempotent(&self) -> bool {
        self.method.is_idempotent()
    }

    pub(super) fn same_origin(&self, other: &Self) -> bool {
        let of = |url: &Url| url.port_or_known_default();
        self.url.scheme() == other.url.scheme()
            && self.url.host() == other.url.host()
            && of(&self.url) == of(&other.url)
    }

    pub(super) fn same_request(&self, other: &Self) -> bool {
        self.url == other.url && self.method == other.method
    }

    /// Its URL for people, without what may be good for one use and for whoever has it.
    pub(super) fn shown(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        // What http leads to has a host, so that both can be taken away.
        url.set_username("").ok();
        url.set_password(None).ok();
        url.into()
    }

    /// The request to which a redirect leads. On another origin nothing goes along that
    /// could carry a secret, and what was dropped stays dropped.
    pub(super) fn redirected(&self, status: u16, location: &[u8]) -> Result<Self, Failure> {
        let broken = || {
            // Cut at its end only after secrets in it were covered.
            let location = String::from_utf8_lossy(location);
            let location = plain(&location);
            let detail = format!("status {status} leads to what is no http URL: {location:?}");
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
            next.headers.remove(CONTENT_TYPE);
        }
        if next.url.origin() != self.url.origin() {
            let ours = [CONNECTION, CONTENT_LENGTH];
            let names: Vec<_> = next.headers.keys().cloned().collect();
            for name in names {
                let harmless = HARMLESS.contains(&name.as_str()) || ours.contains(&name);
                let mut values = next.headers.get_all(&name).iter();
                if !harmless || values.any(HeaderValue::is_sensitive) {
                    next.headers.remove(name);
                }
            }
            add_ours(&mut next.headers);
            next.headers
                .insert(HOST, host(&next.url).ok_or_else(broken)?);
            if next.secret_body {
                next.body = Bytes::new();
            }
        }
        next.measure();
        Ok(next)
    }
}

/// The value of a declared header. One with a secret in it is marked, so that nothing shows
/// it and no redirect takes it away.
fn value(
    name: &str,
    text: &Text,
    secrets: &Secrets,
    asking: Asking<'_>,
    used: &mut Used,
) -> Result<HeaderValue, Failure> {
    let used = &mut used.secrets;
    let before = used.len();
    let filled = secrets
        .fill(text, asking, used)
        .map_err(|error| Failure::of_secret(&error))?;
    // Bytes above 127 are sent as they are.
    if let Ok(mut value) = HeaderValue::try_from(filled) {
        value.set_sensitive(used.len() > before);
        return Ok(value);
    }
    let mut own = used.iter().skip(before);
    let fits = |secret: &Secret| HeaderValue::from_str(secret.expose()).is_ok();
    let failure = match own.find(|secret| !fits(secret)) {
        Some(secret) => Failure::of_secret(&secret.unusable("cannot stand in a header")),
        None => Failure::internal(format!("the header {name:?} cannot be sent")),
    };
    Err(failure)
}

/// What says who the check is, where it knows that by itself.
fn credentials(
    auth: Option<&Auth>,
    secrets: &Secrets,
    asking: Asking<'_>,
    used: &mut Used,
) -> Result<Option<HeaderValue>, Failure> {
    let mut fill = |text: &Text| {
        let filled = secrets.fill(text, asking, &mut used.secrets);
        filled.map_err(|error| Failure::of_secret(&error))
    };
    let value = match auth {
        None | Some(Auth::ClientCredentials { .. }) => return Ok(None),
        Some(Auth::Basic { username, password }) => {
            let (username, password) = (fill(username)?, fill(password)?);
            let encoded = basic(&username, &password);
            // What is declared as it is needs no cover, but what it becomes is no different.
            used.derived.extend([password, encoded.clone()]);
            format!("Basic {encoded}")
        }
        Some(Auth::Bearer { token }) => {
            let token = fill(token)?;
            used.derived.push(token.clone());
            format!("Bearer {token}")
        }
    };
    let mut value = HeaderValue::try_from(value)
        .map_err(|_unsendable| Failure::internal("the header authorization cannot be sent"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// RFC 7617, section 2.
pub(super) fn basic(username: &str, password: &str) -> String {
    BASE64.encode(format!("{username}:{password}"))
}

/// What we say of ourselves where the check says nothing.
fn add_ours(headers: &mut HeaderMap) {
    headers
        .entry(USER_AGENT)
        .or_insert(HeaderValue::from_static(OURS));
    headers
        .entry(ACCEPT)
        .or_insert(HeaderValue::from_static("*/*"));
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

/// A URL without its query and its fragment, whatever else it is.
fn plain(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::{Piece, SecretUse};

    fn hop(url: &str, headers: &[(&str, &str)]) -> Hop {
        let headers = headers.iter().map(|(n, v)| (n.to_string(), (*v).into()));
        hop_of(&CheckSpec {
            method: check::Method::Post,
            headers: headers.collect(),
            body: "x".into(),
            ..CheckSpec::new(url.parse().unwrap())
        })
        .unwrap()
    }

    fn hop_of(spec: &CheckSpec) -> Result<Hop, Failure> {
        let secrets = Secrets::with_variables(None, |name| match name {
            "LOKAHI_SECRET_TOK" => Some("s3cret".into()),
            "LOKAHI_SECRET_LINES" => Some("a\nb".into()),
            _ => None,
        });
        {
            let who = SecretUse::of(&"shop".into(), true, Some("shop"));
            let asking = Asking {
                who: &who,
                host: "a.example",
            };
            Hop::new(spec, &secrets, asking, &mut Used::default())
        }
    }

    fn secret(name: &str) -> Text {
        Text::new([
            Piece::Plain("key ".into()),
            Piece::Secret(name.parse().unwrap()),
        ])
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
    fn what_has_a_secret_in_it_stays_with_its_origin() {
        let spec = CheckSpec {
            method: check::Method::Post,
            headers: vec![
                ("accept".into(), secret("tok")),
                ("pragma".into(), "x".into()),
            ],
            body: secret("tok"),
            ..CheckSpec::new("https://a.example/".parse().unwrap())
        };
        let first = hop_of(&spec).unwrap();
        assert_eq!(first.body, "key s3cret");
        assert!(sent(&first).contains(&"accept: key s3cret".to_owned()));
        assert!(!format!("{:?} {first:?}", first.headers).contains("s3cret"));
        let same = first.redirected(307, b"/b").unwrap();
        assert_eq!(
            (&same.body, sent(&same).len()),
            (&first.body, sent(&first).len())
        );
        let away = same.redirected(307, b"https://b.example/").unwrap();
        let back = away.redirected(307, b"https://a.example/c").unwrap();
        for (hop, host, path) in [(&away, "b", ""), (&back, "a", "c")] {
            assert!(hop.body.is_empty());
            let expected = [
                format!("POST /{path}"),
                "accept: */*".to_owned(),
                "content-length: 0".to_owned(),
                format!("host: {host}.example"),
                "pragma: x".to_owned(),
            ];
            assert_eq!(sent(hop), expected);
        }
    }

    #[test]
    fn a_value_that_cannot_be_sent_is_named_and_not_shown() {
        let spec = CheckSpec {
            headers: vec![("a".into(), secret("lines"))],
            ..CheckSpec::new("https://a.example/".parse().unwrap())
        };
        let failure = hop_of(&spec).unwrap_err();
        assert_eq!(failure.class, ErrorClass::SecretMissing);
        assert_eq!(
            failure.detail,
            "the value of secret(\"lines\") cannot stand in a header"
        );
    }

    #[test]
    fn a_redirect_to_what_is_not_http_is_not_followed() {
        for to in ["ftp://a/", "javascript:alert(1)", "http://", "\u{fffd}:"] {
            let next = hop("http://a/", &[]).redirected(302, to.as_bytes());
            assert!(next.is_err() || to.contains('\u{fffd}'), "{to}");
        }
    }
}
