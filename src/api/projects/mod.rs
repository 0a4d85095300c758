//! The service `github.xe.lokahi.Projects`: specs come by digest, a plan names them, and an
//! apply names a plan. The server decodes, and so validates, each spec again.

mod specs;
mod wish;
mod plan;
mod standing;
mod objects;
mod explain;

use super::error::ApiError;
use super::permit::Needs;
use super::twirp::Methods;
use crate::model::desired::SourceLine;
use crate::plan::guard::Guard;
use crate::proto::twirp::{Code, TwirpError};
use crate::reconcile::error::ApplyError;

/// The longest path, and the longest part of a revision, in bytes.
const LONGEST: usize = 1024;

pub(super) fn add(methods: Methods) -> Methods {
    const APPLIES: Needs = Needs::OfRequest("`apply:PROJECT`");
    methods
        .with(
            "github.xe.lokahi.Projects/MissingSpecs",
            Needs::Plan,
            specs::missing,
        )
        .with(
            "github.xe.lokahi.Projects/UploadSpecs",
            Needs::Plan,
            specs::upload,
        )
        .with(
            "github.xe.lokahi.Projects/UploadIndex",
            Needs::Plan,
            specs::index,
        )
        .with("github.xe.lokahi.Projects/Plan", Needs::Plan, plan::plan)
        .with(
            "github.xe.lokahi.Projects/PlanPage",
            Needs::Plan,
            plan::page,
        )
        .with("github.xe.lokahi.Projects/Apply", APPLIES, plan::apply)
        .with(
            "github.xe.lokahi.Projects/Progress",
            Needs::Read,
            plan::progress,
        )
        .with(
            "github.xe.lokahi.Projects/Status",
            Needs::Read,
            standing::status,
        )
        .with(
            "github.xe.lokahi.Projects/History",
            Needs::Read,
            standing::history,
        )
        .with(
            "github.xe.lokahi.Projects/Suspend",
            Needs::Operate,
            standing::suspend,
        )
        .with(
            "github.xe.lokahi.Projects/Resume",
            Needs::Operate,
            standing::resume,
        )
        .with(
            "github.xe.lokahi.Projects/Approve",
            APPLIES,
            standing::approve,
        )
        .with(
            "github.xe.lokahi.Projects/Reconcile",
            Needs::Operate,
            standing::reconcile,
        )
        .with(
            "github.xe.lokahi.Projects/Objects",
            Needs::Read,
            objects::objects,
        )
        .with(
            "github.xe.lokahi.Projects/Explain",
            Needs::Read,
            explain::explain,
        )
}

/// A text from a client, unless it is too long or would be more than one line of a terminal.
fn short(argument: &str, text: String) -> Result<String, TwirpError> {
    if text.len() <= LONGEST && !text.contains(char::is_control) {
        return Ok(text);
    }
    let why = format!("a text in it is longer than {LONGEST} bytes or has control characters");
    Err(TwirpError::argument(argument, why))
}

/// What whoever applies is told.
fn refused(error: ApplyError) -> ApiError {
    let (text, place) = (error.to_string(), error.place().cloned());
    let of_files = || {
        let error = TwirpError::new(Code::InvalidArgument, text.clone()).with("argument", "index");
        match &place {
            None => error,
            Some(SourceLine { file, line }) => {
                error.with("file", file).with("line", line.to_string())
            }
        }
    };
    let precondition =
        |name: &str| TwirpError::new(Code::FailedPrecondition, text.clone()).with("reason", name);
    match error {
        ApplyError::Reserved => TwirpError::argument("project", text).into(),
        ApplyError::Stale { .. } => TwirpError::new(Code::Aborted, text).into(),
        ApplyError::Held(guards) => held(precondition("held"), &guards).into(),
        ApplyError::Reconciled { owner, .. } | ApplyError::Undeclared { owner, .. } => {
            precondition("reconciled").with("owner", owner).into()
        }
        ApplyError::NotStored(_) => precondition("spec").into(),
        ApplyError::UnknownReceiver { receiver, .. } => {
            of_files().with("receiver", receiver).into()
        }
        ApplyError::Circle(_)
        | ApplyError::FallbackCircle(_)
        | ApplyError::StillTold(_)
        | ApplyError::SecretsCollide(..)
        | ApplyError::NothingToAdopt { .. }
        | ApplyError::AdoptedTwice { .. }
        | ApplyError::AdoptedHere { .. }
        | ApplyError::AdoptedUndeclared { .. }
        | ApplyError::CannotRelease { .. } => of_files().into(),
        ApplyError::OfTheApi => TwirpError::new(Code::PermissionDenied, text).into(),
        ApplyError::UnknownTarget { .. } | ApplyError::NameTaken(_) => {
            TwirpError::argument("targets", text).into()
        }
        ApplyError::NoProject(_) => TwirpError::new(Code::NotFound, text).into(),
        ApplyError::NoGeneration { .. } => TwirpError::new(Code::NotFound, text).into(),
        ApplyError::NothingToRestore { .. } => TwirpError::new(Code::NotFound, text).into(),
        ApplyError::Lives { .. } | ApplyError::NameLives(_) => {
            TwirpError::new(Code::AlreadyExists, text).into()
        }
        ApplyError::RestoredTwice(_) => TwirpError::argument("restore", text).into(),
        ApplyError::Store(error) => error.into(),
        error @ ApplyError::Stored { .. } => ApiError::Apply(error),
    }
}

fn held(error: TwirpError, guards: &[Guard]) -> TwirpError {
    let names: Vec<&str> = guards.iter().map(|guard| &*guard.name).collect();
    error.with("guards", names.join(","))
}
