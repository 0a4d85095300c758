//! Whether what a receiver gets is signed, as Standard Webhooks 1.0 has it: by each of its secrets,
//! HMAC-SHA256 over `id.timestamp.body`.

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::http::Request;

/// The value of a secret: made of its name.
pub(super) fn value(name: &str) -> String {
    format!("whsec_{}", STANDARD.encode(format!("{name:-<32}")))
}

/// The variable in which a worker looks for it.
pub(super) fn variable(name: &str) -> String {
    let name = name.to_ascii_uppercase().replace('-', "_");
    format!("LOKAHI_SECRET_{name}")
}

/// Fails unless a request has the signatures of these secrets, in their order, and no others.
pub(super) fn check(request: &Request, secrets: &[&str]) -> Result<()> {
    let header = |name: &str| request.header(name).unwrap_or_default();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let values = secrets.iter().map(|name| value(name));
    let wanted = values.map(|secret| sign(&secret, (id, timestamp), &request.body));
    let wanted = wanted.collect::<Result<Vec<String>>>()?.join(" ");
    let found = header("webhook-signature");
    if found != wanted {
        bail!("signed {found:?}, not {wanted:?}");
    }
    Ok(())
}

fn sign(secret: &str, (id, timestamp): (&str, &str), body: &[u8]) -> Result<String> {
    let key = secret.strip_prefix("whsec_").unwrap_or(secret);
    let key = STANDARD.decode(key).context("a secret is base64")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key)?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    Ok(format!("v1,{signature}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: (&str, &str) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330");
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    /// The example of Standard Webhooks.
    #[test]
    fn as_the_standard_has_it() {
        let signature = sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", HEAD, BODY).unwrap();
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(variable("chaos-new"), "LOKAHI_SECRET_CHAOS_NEW");
    }

    #[test]
    fn by_each_of_its_secrets() {
        let (id, timestamp) = HEAD;
        let signature = |secret| sign(&value(secret), HEAD, BODY).unwrap();
        let both = format!("{} {}", signature("a"), signature("b"));
        let signed = |signatures: &str, secrets: &[&str]| {
            let length = BODY.len();
            let head = format!(
                "POST / HTTP/1.1\r\nwebhook-id: {id}\r\nwebhook-timestamp: {timestamp}\r\n\
                 {signatures}content-length: {length}\r\n\r\n"
            );
            let request = [head.as_bytes(), BODY].concat();
            let request = Request::read(&mut request.as_slice()).unwrap().unwrap();
            check(&request, secrets).is_ok()
        };
        let both = format!("webhook-signature: {both}\r\n");
        assert!(signed(&both, &["a", "b"]));
        assert!(!signed(&both, &["a"]));
        assert!(!signed(&both, &["b", "a"]));
        assert!(!signed(&both, &[]));
        assert!(signed("", &[]));
        assert!(!signed("", &["a"]));
    }
}
