//! The rows of `tls` and `auth`: whom a check trusts, and how it says who it is.

use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::eval::value::Node;
use crate::manifest::literal::Literal;
use crate::manifest::table::{Attribute, Block, Label, Merge, Show};
use crate::manifest::values::{self, Read};
use crate::model::auth::Auth;
use crate::model::check::CheckSpec;
use crate::model::secret::Text;
use crate::model::tls::{Certificates, TlsVersion};
use crate::model::value::{HttpUrl, InvalidValue, valid_scope, valid_server_name};

pub const TLS: Block = Block {
    name: "tls",
    label: Label::None,
    about: "Whom the check trusts, and the certificate that it shows itself. Where a redirect leads to another origin, `server_name`, `cert` and `key` say nothing.",
    attributes: &[
        Attribute {
            name: "ca",
            kind: "string",
            default: "those that the worker's machine trusts",
            bounds: "64 KiB of PEM certificates",
            about: "The authorities that are trusted, and no others.",
            example: "file(\"ca.pem\")",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.check.tls.authorities = Some(certificates(node)?);
                Ok(())
            },
            show: Show::Check(|spec| pem(spec.tls.authorities.as_ref())),
        },
        Attribute {
            name: "verify",
            kind: "bool",
            default: "true",
            bounds: "",
            about: "Whether the site's certificate must be good. Without that anybody between can read and change what is asked.",
            example: "false",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.check.tls.verified = values::boolean(node)?;
                Ok(())
            },
            show: Show::Check(|spec| {
                Literal::unless_default(spec.tls.verified, true, Literal::Bool)
            }),
        },
        Attribute {
            name: "server_name",
            kind: "string",
            default: "the URL's host",
            bounds: "a host's name in lower case, or an IPv4 address",
            about: "The name that the site is asked for (SNI), and that its certificate must have.",
            example: "\"inner.example.com\"",
            merge: Merge::Replace,
            set: |draft, node| {
                let name = values::string(node, CheckSpec::MAX_NAME)?;
                values::placed(node, valid_server_name(name))?;
                draft.check.tls.server_name = Some(name.to_owned());
                Ok(())
            },
            show: Show::Check(|spec| Literal::optional(spec.tls.server_name.as_ref())),
        },
        Attribute {
            name: "min_version",
            kind: "string",
            default: "\"1.2\"",
            bounds: "\"1.2\", \"1.3\"",
            about: "The least version of TLS that is spoken.",
            example: "\"1.3\"",
            merge: Merge::Replace,
            set: |draft, node| {
                let version = values::string(node, values::ANY)?.parse();
                draft.check.tls.min_version = values::placed(node, version)?;
                Ok(())
            },
            show: Show::Check(|spec| {
                Literal::unless_default(spec.tls.min_version, TlsVersion::V1_2, Literal::text)
            }),
        },
        Attribute {
            name: "cert",
            kind: "string",
            default: "none",
            bounds: "64 KiB of PEM certificates, the check's own first",
            about: "The certificate that the check shows a site that asks for one (mTLS).",
            example: "file(\"client.pem\")",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.check.tls.certificate = Some(certificates(node)?);
                Ok(())
            },
            show: Show::Check(|spec| pem(spec.tls.certificate.as_ref())),
        },
        Attribute {
            name: "key",
            kind: "string",
            default: "none",
            bounds: "a secret",
            about: "The private key of `cert`, as PEM.",
            example: "secret(\"client-key\")",
            merge: Merge::Replace,
            set: |draft, node| {
                let key = values::text(node, Certificates::MAX)?;
                if key.as_plain().is_some() {
                    let message = "a private key stands in a secret: it would be stored and seen";
                    let problem = Problem::new(Code::SecretMisplaced, node.span, message);
                    return Err(problem.hint("write key = secret(\"client-key\")"));
                }
                draft.check.tls.key = Some(key);
                Ok(())
            },
            show: Show::Check(|spec| of(spec.tls.key.as_ref())),
        },
    ],
    meta: &[],
    blocks: &[],
};

pub const AUTH: Block = Block {
    name: "auth",
    label: Label::None,
    about: "How the check says who it is, in the header `authorization`: by `username` and `password` (Basic), by a `token` (Bearer), or by a token that it asks `token_url` for (OAuth 2.0 client credentials) and keeps as long as that is good.",
    attributes: &[
        Attribute {
            name: "username",
            kind: "string",
            default: "none",
            bounds: "8 KiB; secrets may stand in it",
            about: "The name, for Basic.",
            example: "\"lokahi\"",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.auth.username = Some(checked(node, Auth::valid_username)?);
                Ok(())
            },
            show: Show::Check(|spec| match &spec.auth {
                Some(Auth::Basic { username, .. }) => Literal::template(username),
                _ => Literal::Null,
            }),
        },
        Attribute {
            name: "password",
            kind: "string",
            default: "none",
            bounds: "8 KiB; secrets may stand in it",
            about: "The password, for Basic.",
            example: "secret(\"shop-password\")",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.auth.password = Some(checked(node, Auth::valid_password)?);
                Ok(())
            },
            show: Show::Check(|spec| match &spec.auth {
                Some(Auth::Basic { password, .. }) => Literal::template(password),
                _ => Literal::Null,
            }),
        },
        Attribute {
            name: "token",
            kind: "string",
            default: "none",
            bounds: "8 KiB; secrets may stand in it",
            about: "The token, for Bearer.",
            example: "secret(\"shop-token\")",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.auth.token = Some(checked(node, Auth::valid_token)?);
                Ok(())
            },
            show: Show::Check(|spec| match &spec.auth {
                Some(Auth::Bearer { token }) => Literal::template(token),
                _ => Literal::Null,
            }),
        },
        Attribute {
            name: "token_url",
            kind: "URL",
            default: "none",
            bounds: "2048 bytes, http or https",
            about: "Where a token is asked for, for OAuth 2.0. Its TLS is as `tls` says.",
            example: "\"https://login.example.com/oauth/token\"",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.auth.token_url = Some(values::url(node)?);
                Ok(())
            },
            show: Show::Check(|spec| match &spec.auth {
                Some(Auth::ClientCredentials { token_url, .. }) => Literal::text(token_url),
                _ => Literal::Null,
            }),
        },
        Attribute {
            name: "client_id",
            kind: "string",
            default: "none",
            bounds: "8 KiB; secrets may stand in it",
            about: "Who asks for the token.",
            example: "\"lokahi\"",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.auth.client_id = Some(values::text(node, Auth::MAX)?);
                Ok(())
            },
            show: Show::Check(|spec| match &spec.auth {
                Some(Auth::ClientCredentials { client_id, .. }) => Literal::template(client_id),
                _ => Literal::Null,
            }),
        },
        Attribute {
            name: "client_secret",
            kind: "string",
            default: "none",
            bounds: "8 KiB; secrets may stand in it",
            about: "What shows that it is so.",
            example: "secret(\"shop-client\")",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.auth.client_secret = Some(values::text(node, Auth::MAX)?);
                Ok(())
            },
            show: Show::Check(|spec| match &spec.auth {
                Some(Auth::ClientCredentials { client_secret, .. }) => {
                    Literal::template(client_secret)
                }
                _ => Literal::Null,
            }),
        },
        Attribute {
            name: "scopes",
            kind: "list of strings",
            default: "[]",
            bounds: "32 entries of 1 to 200 characters",
            about: "What the token is to allow.",
            example: "[\"health:read\"]",
            merge: Merge::Replace,
            set: |draft, node| {
                let scope = |node: &Node| {
                    let scope = values::string(node, values::ANY)?;
                    values::placed(node, valid_scope(scope))?;
                    Ok(scope.to_owned())
                };
                let scopes = values::list(node, Auth::MAX_SCOPES)?;
                draft.auth.scopes = scopes.iter().map(scope).collect::<Read<_>>()?;
                Ok(())
            },
            show: Show::Check(|spec| match &spec.auth {
                Some(Auth::ClientCredentials { scopes, .. }) if !scopes.is_empty() => {
                    Literal::items(scopes.iter().map(Literal::text))
                }
                _ => Literal::Null,
            }),
        },
    ],
    meta: &[],
    blocks: &[],
};

/// What an `auth` block has said so far.
#[derive(Clone, Default, Debug)]
pub struct AuthDraft {
    username: Option<Text>,
    password: Option<Text>,
    token: Option<Text>,
    token_url: Option<HttpUrl>,
    client_id: Option<Text>,
    client_secret: Option<Text>,
    scopes: Vec<String>,
}

impl AuthDraft {
    /// What it says as a whole, or why that is nothing.
    pub fn complete(self) -> Result<Auth, &'static str> {
        let basic = self.username.is_some() || self.password.is_some();
        let client = self.token_url.is_some()
            || self.client_id.is_some()
            || self.client_secret.is_some()
            || !self.scopes.is_empty();
        match (basic, self.token, client) {
            (true, None, false) => match (self.username, self.password) {
                (Some(username), Some(password)) => Ok(Auth::Basic { username, password }),
                (None, _) => Err("`password` needs `username`"),
                (_, None) => Err("`username` needs `password`"),
            },
            (false, Some(token), false) => Ok(Auth::Bearer { token }),
            (false, None, true) => match (self.token_url, self.client_id, self.client_secret) {
                (Some(token_url), Some(client_id), Some(client_secret)) => {
                    Ok(Auth::ClientCredentials {
                        token_url,
                        client_id,
                        client_secret,
                        scopes: self.scopes,
                    })
                }
                _ => Err("OAuth 2.0 needs `token_url`, `client_id` and `client_secret`"),
            },
            (false, None, false) => Err(
                "it says nothing: give `username` and `password`, or `token`, or `token_url`, \
                 `client_id` and `client_secret`",
            ),
            _ => Err(
                "give one of these alone: `username` and `password` (Basic); `token` (Bearer); \
                 `token_url`, `client_id` and `client_secret` (OAuth 2.0)",
            ),
        }
    }
}

/// A text, if what is known of it can be sent.
fn checked(node: &Node, valid: fn(&Text) -> Result<(), InvalidValue>) -> Read<Text> {
    let text = values::text(node, Auth::MAX)?;
    values::placed(node, valid(&text))?;
    Ok(text)
}

fn certificates(node: &Node) -> Read<Certificates> {
    values::placed(node, values::string(node, Certificates::MAX)?.parse())
}

fn pem(certificates: Option<&Certificates>) -> Literal {
    Literal::optional(certificates.map(Certificates::as_str))
}

fn of(text: Option<&Text>) -> Literal {
    text.map_or(Literal::Null, Literal::template)
}
