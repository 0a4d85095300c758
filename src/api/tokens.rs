//! The service `github.xe.lokahi.Tokens`. A token's text leaves in one answer,
//! and is forgotten.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::checks::whole_microseconds;
use super::error::ApiError;
use super::permit::Needs;
use super::twirp::Methods;
use super::{Call, edit};
use crate::clock;
use crate::files::private::random_hex;
use crate::model::id::TokenId;
use crate::model::name::Name;
use crate::model::scope::{Scope, Scopes};
use crate::model::token::{PREFIX, TokenText};
use crate::proto::lokahi::{
    CreateTokenOpts, ListTokensOpts, NewToken as WireNewToken, Token, TokenName, TokensPage,
};
use crate::proto::moment::timestamp;
use crate::proto::twirp::{Code, TwirpError};
use crate::store::audit::{AuditEntry, audit_write};
use crate::store::error::StoreError;
use crate::store::token::{
    NewToken, StoredToken, token_count, token_create, token_list, token_lock, token_revoke,
};

/// How many tokens can be in use at once.
const MOST: i64 = 1000;
/// How many scopes one token can have.
const MOST_SCOPES: usize = 100;
/// The longest life of a token that has an end: ten years, in seconds.
const LONGEST: i64 = 315_360_000;

pub(super) fn add(methods: Methods) -> Methods {
    methods
        .with("github.xe.lokahi.Tokens/Create", Needs::Admin, create)
        .with("github.xe.lokahi.Tokens/List", Needs::Admin, list)
        .with("github.xe.lokahi.Tokens/Revoke", Needs::Admin, revoke)
}

async fn create(call: Call, opts: CreateTokenOpts) -> Result<WireNewToken, ApiError> {
    let name: Name = edit::argument("name", &opts.name)?;
    let scopes = scopes(&opts.scopes)?;
    let now = whole_microseconds(clock::now());
    let expires_at = opts
        .expires_in_seconds
        .map(|seconds| expiry(seconds, now))
        .transpose()?;
    let digits = random_hex(TokenText::BYTES).map_err(ApiError::Random)?;
    let text = TokenText::parse(&format!("{PREFIX}{digits}")).ok_or(ApiError::TokenShape)?;
    let id = TokenId(Uuid::now_v7());

    let mut tx = call.state.store.begin().await?;
    if token_count(&mut tx, now).await? >= MOST {
        let text = format!("there are {MOST} tokens already; revoke what is not used");
        return Err(TwirpError::new(Code::ResourceExhausted, text).into());
    }
    let new = NewToken {
        id,
        hash: text.hash(),
        name: name.as_str(),
        scopes: &scopes,
        created_by: &call.principal.name,
        expires_at,
    };
    match token_create(&mut tx, &new, now).await {
        Err(error @ StoreError::NameTaken(_)) => {
            let text = format!("{error}; revoke it first, or choose another name");
            let error = TwirpError::new(Code::AlreadyExists, text).with("argument", "name");
            return Err(error.into());
        }
        other => other?,
    }
    let subject = subject(name.as_str(), id);
    let reason = format!("scopes {scopes}");
    let entry = AuditEntry {
        reason: &reason,
        ..call.entry(now, &subject)
    };
    audit_write(&mut tx, &entry).await?;
    tx.commit().await.map_err(|source| StoreError::Query {
        doing: "commit a new token",
        source,
    })?;
    let made = StoredToken {
        id,
        name: name.to_string(),
        scopes,
        created_at: now,
        created_by: call.principal.name.clone(),
        expires_at,
        revoked_at: None,
        last_used_at: None,
    };
    Ok(WireNewToken {
        token: Some(token(&made)),
        text: text.reveal(),
    })
}

async fn list(call: Call, opts: ListTokensOpts) -> Result<TokensPage, ApiError> {
    let mut conn = call.state.store.acquire().await?;
    let stored = token_list(&mut conn, opts.include_ended, clock::now()).await?;
    let tokens = stored.iter().map(token).collect();
    Ok(TokensPage { tokens })
}

async fn revoke(call: Call, wanted: TokenName) -> Result<Token, ApiError> {
    let now = whole_microseconds(clock::now());
    let mut tx = call.state.store.begin().await?;
    let found = token_lock(&mut tx, &wanted.token).await?;
    let mut stored = found.ok_or_else(|| {
        let shown: String = wanted.token.chars().take(Name::MAX).collect();
        let text = format!("there is no token {shown:?}");
        TwirpError::new(Code::NotFound, text).with("argument", "token")
    })?;
    if stored.revoked_at.is_none() {
        token_revoke(&mut tx, stored.id, now).await?;
        let subject = subject(&stored.name, stored.id);
        audit_write(&mut tx, &call.entry(now, &subject)).await?;
        tx.commit().await.map_err(|source| StoreError::Query {
            doing: "commit the end of a token",
            source,
        })?;
        stored.revoked_at = Some(now);
    }
    Ok(token(&stored))
}

/// All that are none are named.
fn scopes(texts: &[String]) -> Result<Scopes, TwirpError> {
    if !(1..=MOST_SCOPES).contains(&texts.len()) {
        let why = format!(
            "1 to {MOST_SCOPES} are needed, of read, plan, apply:PROJECT, operate, admin; not {}",
            texts.len()
        );
        return Err(TwirpError::argument("scopes", why));
    }
    let parsed = texts.iter().map(|text| text.parse::<Scope>());
    let (known, unknown): (Vec<_>, Vec<_>) = parsed.partition(Result::is_ok);
    let unknown: Vec<String> = unknown
        .into_iter()
        .filter_map(Result::err)
        .map(|error| error.to_string())
        .collect();
    if unknown.is_empty() {
        return Ok(Scopes(known.into_iter().flatten().collect()));
    }
    Err(TwirpError::argument("scopes", unknown.join("; ")))
}

fn expiry(seconds: i64, now: OffsetDateTime) -> Result<OffsetDateTime, TwirpError> {
    if (1..=LONGEST).contains(&seconds) {
        return Ok(now + Duration::seconds(seconds));
    }
    let why = format!("{seconds} is not between 1 and {LONGEST}, ten years");
    Err(TwirpError::argument("expires_in_seconds", why))
}

/// As audit names it: the name may be used again, the id is not.
fn subject(name: &str, id: TokenId) -> String {
    format!("token {name} {id}")
}

fn token(stored: &StoredToken) -> Token {
    Token {
        id: stored.id.to_string(),
        name: stored.name.clone(),
        scopes: stored.scopes.0.iter().map(ToString::to_string).collect(),
        created_at: Some(timestamp(stored.created_at)),
        created_by: stored.created_by.clone(),
        expires_at: stored.expires_at.map(timestamp),
        revoked_at: stored.revoked_at.map(timestamp),
        last_used_at: stored.last_used_at.map(timestamp),
    }
}
