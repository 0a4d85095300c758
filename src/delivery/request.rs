//! What one attempt sends besides the body: where to, under which headers, and with which
//! signatures. Secrets get their values here, at the last moment.

use std::borrow::Cow;

use time::OffsetDateTime;

use super::alert;
use crate::egress::veil::Veil;
use crate::egress::webhook::unfit;
use crate::files::secrets::{Secret, SecretError, Secrets};
use crate::model::secret::{Asking, SecretName};
use crate::model::value::HttpUrl;
use crate::model::webhook::{ReceiverUrl, WebhookFormat, WebhookSpec};
use crate::signature::{SigningSecret, sign};
use crate::store::delivery::Claimed;

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsendable {
    /// The URL is a secret.
    #[error(transparent)]
    Place(SecretError),
    #[error("the header {0:?} has no value")]
    Header(String, #[source] SecretError),
    #[error("the header {0:?} cannot be sent")]
    Unfit(String, #[source] SecretError),
    #[error("it cannot be signed, and is not sent unsigned")]
    Sign(#[source] SecretError),
}

/// Ready to be sent.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) url: HttpUrl,
    pub(super) headers: Vec<(Cow<'static, str>, String)>,
    /// Over all secrets in it.
    pub(super) veil: Veil,
}

impl Outgoing {
    /// The attempt that was claimed, with this body. Whoever cannot have all secrets sends
    /// nothing.
    pub(super) fn of(
        claimed: &Claimed,
        webhook: &WebhookSpec,
        body: &[u8],
        secrets: &Secrets,
        now: OffsetDateTime,
    ) -> Result<Self, Unsendable> {
        let who = &claimed.secrets;
        let (url, veil) = match &webhook.url {
            ReceiverUrl::Url(url) => (url.clone(), Veil::default()),
            ReceiverUrl::Secret(name) => {
                let url = secrets.resolve_url(name, who).map_err(Unsendable::Place)?;
                let veil = Veil::over_url(&url.parse());
                (url, veil)
            }
        };
        let url = match webhook.format {
            WebhookFormat::Alertmanager => alert::place(url),
            WebhookFormat::Protobuf | WebhookFormat::Json => url,
        };
        let parsed = url.parse();
        let host = parsed.host_str().unwrap_or_default();
        let asking = Asking { who, host };
        let shown = |error: SecretError| match &webhook.url {
            ReceiverUrl::Url(_) => error,
            ReceiverUrl::Secret(_) => error.without_host(),
        };
        let mut used: Vec<Secret> = Vec::new();
        let mut headers = own(claimed, webhook.format, now);
        let mut signing = |name: &SecretName| {
            let secret = secrets.resolve(name, asking).map_err(shown)?;
            let key = secret.expose().parse::<SigningSecret>();
            let key = key.map_err(|error| secret.unusable(error.why()))?;
            used.push(secret);
            Ok(key)
        };
        let names = webhook.secrets.iter();
        let keys: Vec<SigningSecret> = names
            .map(&mut signing)
            .collect::<Result<_, _>>()
            .map_err(Unsendable::Sign)?;
        if !keys.is_empty() {
            let id = claimed.event.to_string();
            let signature = sign(&keys, &id, now.unix_timestamp(), body);
            headers.push(("webhook-signature".into(), signature));
        }
        for (name, value) in &webhook.headers {
            let before = used.len();
            let value = secrets
                .fill(value, asking, &mut used)
                .map_err(|error| Unsendable::Header(name.clone(), shown(error)))?;
            for secret in used.iter().skip(before) {
                if let Some(why) = unfit(secret.expose()) {
                    return Err(Unsendable::Unfit(name.clone(), secret.unusable(why)));
                }
            }
            headers.push((name.clone().into(), value));
        }
        let veil = veil.and(Veil::over(used.iter().map(Secret::expose)));
        Ok(Self { url, headers, veil })
    }
}

/// lokahi's own headers: `webhook-id` is the same in every attempt, `webhook-timestamp` is this
/// attempt's.
fn own(
    claimed: &Claimed,
    format: WebhookFormat,
    now: OffsetDateTime,
) -> Vec<(Cow<'static, str>, String)> {
    let kind = match format {
        WebhookFormat::Protobuf => "application/protobuf",
        WebhookFormat::Json | WebhookFormat::Alertmanager => "application/json",
    };
    vec![
        ("content-type".into(), kind.to_owned()),
        ("accept".into(), kind.to_owned()),
        ("webhook-id".into(), claimed.event.to_string()),
        ("webhook-timestamp".into(), now.unix_timestamp().to_string()),
        ("lokahi-attempt".into(), claimed.attempt.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use time::macros::datetime;

    use super::*;
    use crate::delivery::body::tests::claimed;
    use crate::model::secret::{Piece, SecretUse, Text};
    use crate::runtime::chain::chain;
    use crate::signature::{Signed, Verifier};

    const NOW: OffsetDateTime = datetime!(2026-01-01 00:01 UTC);
    const NEW: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OLD: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

    fn variable(name: &str) -> Option<OsString> {
        let value = match name {
            "LOKAHI_SECRET_NEW" => NEW,
            "LOKAHI_SECRET_OLD" => OLD,
            "LOKAHI_SECRET_TOK" => "t0ken",
            "LOKAHI_SECRET_WORD" => "correct horse",
            "LOKAHI_SECRET_LINES" => "t0ken\n",
            _ => return None,
        };
        Some(value.into())
    }

    fn of_a_project(format: WebhookFormat) -> Claimed {
        Claimed {
            secrets: SecretUse::of(&"shop".into(), true, Some("shop")),
            ..claimed("http://h/", format)
        }
    }

    fn outgoing(claimed: &Claimed) -> Result<Outgoing, String> {
        let secrets = Secrets::with_variables(None, variable);
        let webhook = claimed.webhook.as_ref().unwrap();
        Outgoing::of(claimed, webhook, b"body", &secrets, NOW).map_err(|error| chain(&error))
    }

    fn webhook(claimed: &mut Claimed) -> &mut WebhookSpec {
        claimed.webhook.as_mut().unwrap()
    }

    fn value<'o>(outgoing: &'o Outgoing, name: &str) -> Option<&'o str> {
        let mut all = outgoing.headers.iter();
        all.find(|header| header.0 == name).map(|it| it.1.as_str())
    }

    #[test]
    fn every_attempt_has_the_same_id() {
        let plain = outgoing(&claimed("http://h/", WebhookFormat::Json)).unwrap();
        assert_eq!(
            value(&plain, "webhook-id"),
            Some("00000000-0000-0000-0000-000000000000")
        );
        assert_eq!(value(&plain, "webhook-timestamp"), Some("1767225660"));
        assert_eq!(value(&plain, "lokahi-attempt"), Some("2"));
        assert_eq!(value(&plain, "webhook-signature"), None);
    }

    #[test]
    fn each_secret_signs_and_headers_have_their_values() {
        for format in [WebhookFormat::Json, WebhookFormat::Protobuf] {
            let mut claimed = of_a_project(format);
            webhook(&mut claimed).secrets =
                ["new", "old"].map(|name| name.parse().unwrap()).to_vec();
            let token = Piece::Secret("tok".parse().unwrap());
            let bearer = Text::new([Piece::Plain("Bearer ".into()), token]);
            webhook(&mut claimed).headers = vec![("authorization".into(), bearer)];
            let sent = outgoing(&claimed).unwrap();
            assert_eq!(value(&sent, "authorization"), Some("Bearer t0ken"));
            let signed = Signed {
                id: value(&sent, "webhook-id"),
                timestamp: value(&sent, "webhook-timestamp"),
                signature: value(&sent, "webhook-signature"),
            };
            for known in [NEW, OLD] {
                let verifier = Verifier::new(vec![known.parse().unwrap()]);
                assert_eq!(verifier.verify(&signed, b"body", NOW), Ok(0));
                assert!(verifier.verify(&signed, b"bodi", NOW).is_err());
            }
            let said = sent.veil.cover(format!("no t0ken, no {NEW}, no {OLD}"));
            assert_eq!(said, "no [secret], no [secret], no [secret]");
            assert!(!format!("{claimed:?}").contains("t0ken"));
        }
    }

    #[test]
    fn without_its_secrets_nothing_is_sent() {
        let check = |names: &[&str], expect: &str| {
            let mut claimed = of_a_project(WebhookFormat::Json);
            webhook(&mut claimed).secrets =
                names.iter().map(|name| name.parse().unwrap()).collect();
            assert_eq!(outgoing(&claimed).unwrap_err(), expect);
        };
        check(
            &["new", "gone"],
            "it cannot be signed, and is not sent unsigned: secret(\"gone\") is not known to this \
             worker: set LOKAHI_SECRET_GONE, or put a file \"gone\" into its SECRETS_DIR",
        );
        check(
            &["word"],
            "it cannot be signed, and is not sent unsigned: the value of secret(\"word\") is no \
             signing secret: it is not base64 (with or without whsec_ before it); `openssl rand \
             -base64 32` makes one",
        );
        let mut broken = of_a_project(WebhookFormat::Json);
        let lines = Text::from("lines".parse::<SecretName>().unwrap());
        webhook(&mut broken).headers = vec![("x-key".into(), lines)];
        assert_eq!(
            outgoing(&broken).unwrap_err(),
            "the header \"x-key\" cannot be sent: the value of secret(\"lines\") has a line break in it"
        );
        let mut elsewhere = of_a_project(WebhookFormat::Json);
        elsewhere.secrets = SecretUse::bound("shop");
        let token = Text::from("tok".parse::<SecretName>().unwrap());
        webhook(&mut elsewhere).headers = vec![("x-key".into(), token)];
        let error = outgoing(&elsewhere).unwrap_err();
        assert!(
            error.starts_with("the header \"x-key\" has no value: secret(\"tok\") may not be used"),
            "{error}"
        );
    }
}
