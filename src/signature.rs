//! Signatures of webhooks, as Standard Webhooks 1.0 has them: HMAC-SHA256 over
//! `id.timestamp.body`, whatever the body is. With several secrets there are several
//! signatures, so that receivers can go over to a new one. When it is, is a parameter.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use time::OffsetDateTime;

/// How far a message's timestamp and the receiver's clock may be apart.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// What a text is not that should be a signing secret. It never shows the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", self.why())]
pub enum InvalidSecret {
    Base64,
    Length,
}

impl InvalidSecret {
    /// The same, as the rest of a sentence.
    pub fn why(self) -> &'static str {
        match self {
            Self::Base64 => {
                "is no signing secret: it is not base64 (with or without whsec_ before it); \
                 `openssl rand -base64 32` makes one"
            }
            Self::Length => {
                "is no signing secret: it is not the base64 of 24 to 64 bytes; \
                 `openssl rand -base64 32` makes one"
            }
        }
    }
}

/// A secret that sender and receiver share: `whsec_`, which may be missing, and the base64 of
/// 24 to 64 bytes.
#[derive(Clone)]
pub struct SigningSecret(Vec<u8>);

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl FromStr for SigningSecret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, InvalidSecret> {
        let text = text.strip_prefix("whsec_").unwrap_or(text);
        // What the decoder says shows a part of the text.
        let key = STANDARD
            .decode(text)
            .map_err(|_shows_it| InvalidSecret::Base64)?;
        match key.len() {
            24..=64 => Ok(Self(key)),
            _ => Err(InvalidSecret::Length),
        }
    }
}

impl SigningSecret {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    fn over(&self, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key");
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac
    }
}

/// The value of `webhook-signature`: `v1,BASE64` by each secret, with spaces between.
/// `timestamp` is in seconds since 1970.
pub fn sign(secrets: &[SigningSecret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let timestamp = timestamp.to_string();
    let signature = |secret: &SigningSecret| {
        let mac = secret.over(id, &timestamp, body).finalize();
        format!("v1,{}", STANDARD.encode(mac.into_bytes()))
    };
    secrets.iter().map(signature).collect::<Vec<_>>().join(" ")
}

/// Why a message is not believed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    #[error("the header {0} is missing")]
    Missing(&'static str),
    #[error("webhook-timestamp is no number of seconds since 1970")]
    Timestamp,
    #[error("webhook-signature has no signature of version 1, which is v1,BASE64")]
    Version,
    #[error(
        "no signature fits: it was signed with another secret, or its id, timestamp or body \
         was changed on the way"
    )]
    Signature,
    #[error(
        "the signature is right, but the message is {age} s old and at most {most} s are taken: it \
         was sent again by somebody, or a clock is wrong",
        most = TOLERANCE.as_secs()
    )]
    Old { age: u64 },
    #[error(
        "the signature is right, but the message is from {ahead} s in the future: a clock is wrong"
    )]
    Future { ahead: u64 },
}

/// The headers of a message; absent is absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signed<'a> {
    /// `webhook-id`
    pub id: Option<&'a str>,
    /// `webhook-timestamp`
    pub timestamp: Option<&'a str>,
    /// `webhook-signature`
    pub signature: Option<&'a str>,
}

/// Checks messages with the secrets of a receiver.
#[derive(Clone, Debug)]
pub struct Verifier {
    secrets: Vec<SigningSecret>,
    /// `None`: a message may be of any age.
    tolerance: Option<Duration>,
}

impl Verifier {
    /// One for whom any of the secrets is enough. Without secrets nothing is believed.
    pub fn new(secrets: Vec<SigningSecret>) -> Self {
        Self {
            secrets,
            tolerance: Some(TOLERANCE),
        }
    }

    /// The same for messages that were kept: of any age.
    pub fn of_any_age(self) -> Self {
        Self {
            tolerance: None,
            ..self
        }
    }

    /// Which of the secrets a message is signed with, by its place from 0. The signature is
    /// looked at first: what is said of the age is said of a message that is genuine.
    pub fn verify(
        &self,
        signed: &Signed<'_>,
        body: &[u8],
        now: OffsetDateTime,
    ) -> Result<usize, Refused> {
        let id = signed.id.ok_or(Refused::Missing("webhook-id"))?;
        let timestamp = signed
            .timestamp
            .ok_or(Refused::Missing("webhook-timestamp"))?;
        let signatures = signed
            .signature
            .ok_or(Refused::Missing("webhook-signature"))?;
        let at: i64 = timestamp.parse().map_err(|_no_number| Refused::Timestamp)?;
        let given: Vec<&str> = signatures
            .split_ascii_whitespace()
            .filter_map(|signature| signature.strip_prefix("v1,"))
            .collect();
        if given.is_empty() {
            return Err(Refused::Version);
        }
        let given: Vec<Vec<u8>> = given
            .into_iter()
            .filter_map(|signature| STANDARD.decode(signature).ok())
            .collect();
        let fits = |secret: &SigningSecret| {
            let mac = secret.over(id, timestamp, body);
            // In constant time.
            given
                .iter()
                .any(|given| mac.clone().verify_slice(given).is_ok())
        };
        let by = self.secrets.iter().position(fits);
        let by = by.ok_or(Refused::Signature)?;
        let Some(tolerance) = self.tolerance.map(|tolerance| tolerance.as_secs()) else {
            return Ok(by);
        };
        let (now, apart) = (
            now.unix_timestamp(),
            now.unix_timestamp().saturating_sub(at),
        );
        match apart.unsigned_abs() {
            age if age <= tolerance => Ok(by),
            age if at < now => Err(Refused::Old { age }),
            ahead => Err(Refused::Future { ahead }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification and of its libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const AT: i64 = 1_614_265_330;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn secret(text: &str) -> SigningSecret {
        text.parse().unwrap()
    }

    fn other() -> SigningSecret {
        secret(&STANDARD.encode([7; 32]))
    }

    fn signed<'a>(timestamp: &'a str, signature: &'a str) -> Signed<'a> {
        Signed {
            id: Some(ID),
            timestamp: Some(timestamp),
            signature: Some(signature),
        }
    }

    fn verify(signed: &Signed<'_>, body: &[u8], seconds: i64) -> Result<usize, Refused> {
        let now = OffsetDateTime::from_unix_timestamp(AT + seconds).unwrap();
        Verifier::new(vec![other(), secret(SECRET)]).verify(signed, body, now)
    }

    #[test]
    fn the_example_of_the_specification() {
        assert_eq!(sign(&[secret(SECRET)], ID, AT, BODY), SIGNATURE);
        let signed = signed("1614265330", SIGNATURE);
        assert_eq!(verify(&signed, BODY, 0), Ok(1));
        assert_eq!(verify(&signed, BODY, 300), Ok(1));
        assert_eq!(verify(&signed, BODY, -300), Ok(1));
    }

    #[test]
    fn old_and_new_secret_while_one_follows_the_other() {
        let header = sign(&[secret(SECRET), other()], ID, AT, BODY);
        let now = OffsetDateTime::from_unix_timestamp(AT).unwrap();
        for known in [secret(SECRET), other()] {
            let by = Verifier::new(vec![known]).verify(&signed("1614265330", &header), BODY, now);
            assert_eq!(by, Ok(0));
        }
        let more = format!("v2,xxxx v1a,yyyy v1,!!! {header}");
        assert_eq!(verify(&signed("1614265330", &more), BODY, 0), Ok(0));
    }

    #[test]
    fn what_is_not_believed_is_told_why() {
        let check = |signed: Signed<'_>, body: &[u8], seconds, expect: &str| {
            let error = verify(&signed, body, seconds).unwrap_err();
            assert!(error.to_string().starts_with(expect), "{error}");
        };
        let good = signed("1614265330", SIGNATURE);
        let changed = br#"{"test": 2432232315}"#;
        check(good, changed, 0, "no signature fits");
        check(good, b"", 0, "no signature fits");
        check(
            good,
            BODY,
            301,
            "the signature is right, but the message is 301 s old",
        );
        check(
            good,
            BODY,
            -301,
            "the signature is right, but the message is from 301 s in the future",
        );
        check(
            signed("1614265331", SIGNATURE),
            BODY,
            0,
            "no signature fits",
        );
        let id = Some("msg_other");
        check(Signed { id, ..good }, BODY, 0, "no signature fits");
        check(
            signed("soon", SIGNATURE),
            BODY,
            0,
            "webhook-timestamp is no number",
        );
        for none in ["", "v2,abc", "g0hM9SsE"] {
            let expect = "webhook-signature has no signature of version 1";
            check(signed("1614265330", none), BODY, 0, expect);
        }
        let signature = None;
        check(
            Signed { signature, ..good },
            BODY,
            0,
            "the header webhook-signature is missing",
        );
        let cut: String = SIGNATURE.chars().take(20).collect();
        check(signed("1614265330", &cut), BODY, 0, "no signature fits");
        let now = OffsetDateTime::from_unix_timestamp(AT).unwrap();
        let nobody = Verifier::new(Vec::new()).verify(&good, BODY, now);
        assert_eq!(nobody, Err(Refused::Signature));
    }

    #[test]
    fn one_that_was_kept_may_be_of_any_age() {
        let verifier = Verifier::new(vec![secret(SECRET)]).of_any_age();
        let signed = signed("1614265330", SIGNATURE);
        let now = OffsetDateTime::from_unix_timestamp(AT + 10_000_000).unwrap();
        assert_eq!(verifier.verify(&signed, BODY, now), Ok(0));
    }

    #[test]
    fn secrets_and_what_is_none() {
        let of = |bytes: usize| STANDARD.encode(vec![1; bytes]).parse::<SigningSecret>();
        assert!(of(24).is_ok() && of(64).is_ok());
        assert_eq!(of(23).unwrap_err(), InvalidSecret::Length);
        assert_eq!(of(65).unwrap_err(), InvalidSecret::Length);
        for bad in [
            "correct horse battery staple",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
            "whsec_ö",
        ] {
            let error = bad.parse::<SigningSecret>().unwrap_err();
            assert_eq!(error, InvalidSecret::Base64);
            assert!(!error.to_string().contains(bad));
        }
        assert_eq!(format!("{:?}", secret(SECRET)), "[secret]");
    }
}
