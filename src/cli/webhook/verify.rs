//! `webhook verify`: whether a message that was kept is signed with a secret.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

use clap::Args;

use super::signing::Signing;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Console;
use crate::clock;
use crate::serve::receiver;
use crate::signature::{Refused, Signed};

/// As much as a receiver takes, in bytes.
const LONGEST: u64 = receiver::MOST as u64;

#[derive(Debug, Args)]
pub(in crate::cli) struct Verify {
    /// A file with the body; `-` is standard input
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    signing: Signing,
    /// The header webhook-id
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The header webhook-timestamp
    #[arg(long, value_name = "SECONDS")]
    timestamp: Option<String>,
    /// The header webhook-signature
    #[arg(long, value_name = "SIGNATURES")]
    signature: Option<String>,
    /// Whatever its age: a receiver takes nothing that is older than five minutes
    #[arg(long)]
    any_age: bool,
}

/// Says that it is signed, and with which secret; or fails with the reason why not.
pub(in crate::cli) fn verify(what: &Verify, console: &mut Console<'_>) -> Result<Exit, Failure> {
    if what.signing.names().is_empty() {
        return Err(Failure::new(Exit::Usage, "no secret is named")
            .hint("name the secret that it should be signed with: --secret NAME"));
    }
    let verifier = match what.any_age {
        true => what.signing.verifier()?.of_any_age(),
        false => what.signing.verifier()?,
    };
    let body = body(&what.file)?;
    let signed = Signed {
        id: what.id.as_deref(),
        timestamp: what.timestamp.as_deref(),
        signature: what.signature.as_deref(),
    };
    let now = clock::now();
    let refused = match verifier.verify(&signed, &body, now) {
        Ok(at) => {
            let by = what.signing.names().get(at);
            let by = by.map(ToString::to_string).unwrap_or_default();
            writeln!(console.out, "valid: signed with {by}")?;
            return Ok(Exit::Ok);
        }
        Err(refused) => refused,
    };
    let failure = Failure::new(Exit::Refused, format!("not valid: {refused}"));
    Err(match refused {
        Refused::Missing(header) => {
            let flag = header.trim_start_matches("webhook-");
            failure.hint(format!("give its value with --{flag}"))
        }
        Refused::Old { .. } => failure.hint("--any-age takes what was kept"),
        Refused::Signature => {
            let cut = body
                .strip_suffix(b"\n")
                .map(|cut| cut.strip_suffix(b"\r").unwrap_or(cut));
            let fits = |cut: &[u8]| {
                let whenever = verifier.clone().of_any_age();
                whenever.verify(&signed, cut, now).is_ok()
            };
            match cut.is_some_and(fits) {
                true => failure.hint(
                    "without the line end after the body it is signed: something added that; keep \
                     the bytes as they came",
                ),
                false => failure
                    .hint("the body must be the bytes as they came, not parsed and written anew"),
            }
        }
        _ => failure,
    })
}

fn body(file: &PathBuf) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = match file.to_str() {
        Some("-") => io::stdin().lock().take(LONGEST + 1).read_to_end(&mut bytes),
        _ => File::open(file).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes)),
    };
    read.map_err(|error| {
        let message = format!("cannot read {}: {error}", file.display());
        Failure::new(Exit::Usage, message)
    })?;
    if bytes.len() as u64 > LONGEST {
        let message = format!("{} is larger than 4 MiB, which no event is", file.display());
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(bytes)
}
