//! A check as one block of a check file: over the API everything can be said that files say,
//! in their words, by the same table of attributes.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use crate::manifest::compile::{Keep, compile};
use crate::manifest::inputs::{Inputs, Missing};
use crate::model::check::CheckSpec;
use crate::model::name::Name;
use crate::proto::twirp::{Code, TwirpError};

/// The longest block, in bytes.
const LONGEST: usize = 256 * 1024;
/// What the block stands in, as diagnostics name it.
const FILE: &str = "check.hcl";
/// A root needs a project; which one it is, the call says.
const ROOT: &str = "lokahi {\n  project = \"call\"\n}\n";

/// The name and the spec of the one check that a text declares.
pub(super) async fn written(text: &str) -> Result<(Name, CheckSpec), TwirpError> {
    if text.len() > LONGEST {
        return Err(refused(&format!("at most {LONGEST} bytes are allowed")));
    }
    let text = text.to_owned();
    let read = tokio::task::spawn_blocking(move || read(&text)).await;
    read.unwrap_or_else(|_panic| {
        let why = "reading the hcl failed: a fault of lokahid";
        Err(TwirpError::new(Code::Internal, why))
    })
}

fn read(text: &str) -> Result<(Name, CheckSpec), TwirpError> {
    let files: BTreeMap<String, Vec<u8>> = [
        ("lokahi.hcl".to_owned(), ROOT.as_bytes().to_vec()),
        (FILE.to_owned(), text.as_bytes().to_vec()),
    ]
    .into();
    let inputs = Inputs {
        missing: Missing::Refused,
        ..Inputs::default()
    };
    let compiled = compile(&files, &inputs, Keep::Specs);
    let compiled = compiled.map_err(|problems| match problems.hint() {
        Some(hint) => refused(&format!("{problems}; hint: {hint}")),
        None => refused(&problems.to_string()),
    })?;
    let desired = compiled.desired;
    let desired = desired.ok_or_else(|| refused("not everything in it is known"))?;
    if !desired.webhooks.is_empty() || !desired.moves.is_empty() {
        return Err(refused(
            "is for a check alone: it tells its webhook_url, and moves nothing",
        ));
    }
    let mut checks = desired.checks.into_iter();
    let (Some((address, declared)), None) = (checks.next(), checks.next()) else {
        return Err(refused("must declare one check, and no more"));
    };
    let name = Name::from_str(&address)
        .map_err(|_keyed| refused("must declare one check without for_each or a key"))?;
    let spec = declared.spec;
    if spec.secrets().next().is_some() {
        return Err(refused(
            "uses a secret, which only what check files declare may: apply a file instead",
        ));
    }
    Ok((name, spec))
}

fn refused(why: &str) -> TwirpError {
    TwirpError::argument("hcl", why)
}
