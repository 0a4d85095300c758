//! How a check trusts its site and says who it is, as messages.

use super::check::limit;
use super::{InField as _, SpecError, text};
use crate::model::auth::Auth;
use crate::model::secret::Text;
use crate::model::tls::{Certificates, TlsSpec, TlsVersion};
use crate::model::value::{InvalidValue, valid_scope, valid_server_name};
use crate::proto::internal;
use crate::proto::internal::auth::{Basic, Bearer, ClientCredentials, Kind};

/// Nothing where nothing is said: what was stored before there was TLS in it stays the same.
pub(super) fn encode_tls(spec: &TlsSpec) -> Option<internal::Tls> {
    let text = |pem: &Option<Certificates>| {
        pem.as_ref()
            .map(|pem| pem.as_str().to_owned())
            .unwrap_or_default()
    };
    (*spec != TlsSpec::default()).then(|| internal::Tls {
        authorities: text(&spec.authorities),
        unverified: !spec.verified,
        server_name: spec.server_name.clone().unwrap_or_default(),
        min_version: match spec.min_version {
            TlsVersion::V1_2 => 0,
            TlsVersion::V1_3 => 13,
        },
        certificate: text(&spec.certificate),
        key: spec.key.as_ref().map(text::encode).unwrap_or_default(),
    })
}

pub(super) fn decode_tls(wire: Option<internal::Tls>) -> Result<TlsSpec, SpecError> {
    let Some(wire) = wire else {
        return Ok(TlsSpec::default());
    };
    let pem = |text: String| match text.as_str() {
        "" => Ok(None),
        text => text.parse().map(Some),
    };
    let key = text::decode(wire.key, Certificates::MAX).in_field("tls.key")?;
    let spec = TlsSpec {
        authorities: pem(wire.authorities).in_field("tls.ca")?,
        verified: !wire.unverified,
        server_name: match wire.server_name.as_str() {
            "" => None,
            name => {
                valid_server_name(name).in_field("tls.server_name")?;
                Some(name.to_owned())
            }
        },
        min_version: match wire.min_version {
            0 => TlsVersion::V1_2,
            13 => TlsVersion::V1_3,
            other => {
                let unknown = InvalidValue::Other(format!("unknown version {other}"));
                return Err(unknown).in_field("tls.min_version");
            }
        },
        certificate: pem(wire.certificate).in_field("tls.cert")?,
        key: (key != Text::default()).then_some(key),
    };
    if spec.certificate.is_some() != spec.key.is_some() {
        let alone =
            InvalidValue::Other("a certificate needs its key, and a key its certificate".into());
        return Err(alone).in_field("tls");
    }
    Ok(spec)
}

pub(super) fn encode_auth(auth: &Auth) -> internal::Auth {
    let kind = match auth {
        Auth::Basic { username, password } => Kind::Basic(Basic {
            username: text::encode(username),
            password: text::encode(password),
        }),
        Auth::Bearer { token } => Kind::Bearer(Bearer {
            token: text::encode(token),
        }),
        Auth::ClientCredentials {
            token_url,
            client_id,
            client_secret,
            scopes,
        } => Kind::ClientCredentials(ClientCredentials {
            token_url: token_url.to_string(),
            client_id: text::encode(client_id),
            client_secret: text::encode(client_secret),
            scopes: scopes.clone(),
        }),
    };
    internal::Auth { kind: Some(kind) }
}

pub(super) fn decode_auth(wire: internal::Auth) -> Result<Auth, SpecError> {
    let read = |pieces, field| text::decode(pieces, Auth::MAX).in_field(field);
    let checked = |pieces, field, valid: fn(&Text) -> Result<(), InvalidValue>| {
        let text = read(pieces, field)?;
        valid(&text).in_field(field)?;
        Ok(text)
    };
    match wire.kind {
        Some(Kind::Basic(basic)) => Ok(Auth::Basic {
            username: checked(basic.username, "auth.username", Auth::valid_username)?,
            password: checked(basic.password, "auth.password", Auth::valid_password)?,
        }),
        Some(Kind::Bearer(bearer)) => Ok(Auth::Bearer {
            token: checked(bearer.token, "auth.token", Auth::valid_token)?,
        }),
        Some(Kind::ClientCredentials(own)) => {
            limit(own.scopes.len(), Auth::MAX_SCOPES).in_field("auth.scopes")?;
            for scope in &own.scopes {
                valid_scope(scope).in_field("auth.scopes")?;
            }
            Ok(Auth::ClientCredentials {
                token_url: own.token_url.parse().in_field("auth.token_url")?,
                client_id: read(own.client_id, "auth.client_id")?,
                client_secret: read(own.client_secret, "auth.client_secret")?,
                scopes: own.scopes,
            })
        }
        None => Err(InvalidValue::Other("it says nothing".into())).in_field("auth"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_comes_back() {
        let pem = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
        let spec = TlsSpec {
            authorities: Some(pem.parse().unwrap()),
            verified: false,
            server_name: Some("inner.example.com".into()),
            min_version: TlsVersion::V1_3,
            certificate: Some(pem.parse().unwrap()),
            key: Some("key".into()),
        };
        assert_eq!(decode_tls(encode_tls(&spec)).unwrap(), spec);
        assert_eq!(encode_tls(&TlsSpec::default()), None);
        let alone = TlsSpec {
            key: None,
            ..spec.clone()
        };
        assert!(decode_tls(encode_tls(&alone)).is_err());
        for auth in [
            Auth::Basic {
                username: "a".into(),
                password: "b".into(),
            },
            Auth::Bearer { token: "t".into() },
            Auth::ClientCredentials {
                token_url: "https://login.example.com/token".parse().unwrap(),
                client_id: "a".into(),
                client_secret: "b".into(),
                scopes: vec!["read".into()],
            },
        ] {
            assert_eq!(decode_auth(encode_auth(&auth)).unwrap(), auth);
        }
        assert!(decode_auth(internal::Auth { kind: None }).is_err());
        for auth in [
            Auth::Basic {
                username: "a:b".into(),
                password: "c".into(),
            },
            Auth::Bearer { token: "".into() },
            Auth::Bearer {
                token: "a\nb".into(),
            },
        ] {
            assert!(decode_auth(encode_auth(&auth)).is_err(), "{auth:?}");
        }
    }
}
