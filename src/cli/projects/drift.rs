//! `export --drift`: what somebody changed past the files, as blocks that keep it.

use super::export::objects;
use crate::cli::exit::{Exit, Failure};
use crate::cli::naming::is_called;
use crate::cli::output::Console;
use crate::client::{Client, ClientError};
use crate::manifest::written::kept_text;
use crate::model::quoted::shell;
use crate::proto::lokahi::{Object, ObjectsRequest, ProjectsRequest};
use crate::proto::twirp::Code;
use crate::runtime::chain::chain;
use crate::spec::accept_check;

/// Of what drift is asked for.
struct Asked<'a> {
    /// As it was typed.
    text: &'a str,
    /// Of PROJECT/NAME.
    parts: Option<(&'a str, &'a str)>,
}

impl<'a> Asked<'a> {
    fn new(text: &'a str) -> Self {
        // A key may have a slash in it: page["a/b"].
        let name = text.split('[').next().unwrap_or(text);
        let parts = name.find('/').and_then(|_| text.split_once('/'));
        Self { text, parts }
    }

    fn means(&self, object: &Object) -> bool {
        match self.parts {
            Some((project, name)) => object.project == project && is_called(&object.address, name),
            None => object.project == self.text || is_called(&object.address, self.text),
        }
    }
}

/// Prints what of a project, or of a check, was changed past the files.
pub(super) async fn drift(
    client: &Client,
    name: &str,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let asked = Asked::new(name);
    let all = ObjectsRequest {
        drifted: true,
        ..ObjectsRequest::default()
    };
    let found = objects(client, all).await?.into_iter();
    let found: Vec<Object> = found.filter(|object| asked.means(object)).collect();
    if found.is_empty() {
        known(client, &asked).await?;
        writeln!(console.words, "nothing was changed past the files")?;
    }
    let first = found.first().map(|object| object.project.as_str());
    let several = found.iter().any(|it| Some(it.project.as_str()) != first);
    for object in &found {
        let project = match several {
            true => format!("{}: ", object.project),
            false => String::new(),
        };
        let place = format!("{project}{}:{}", object.file, object.line);
        writeln!(console.out, "{}", text(object, &place)?)?;
    }
    Ok(Exit::Ok)
}

/// What keeps it.
fn text(object: &Object, place: &str) -> Result<String, Failure> {
    let Object {
        project, address, ..
    } = object;
    if object.deleted {
        return Ok(format!(
            "# {place}\n# check.{address} was deleted past the files. To keep that, take its block \
             out of them;\n# to have it back: lokahictl restore {project} {}\n",
            shell(address)
        ));
    }
    let decode = |bytes: &[u8]| {
        accept_check(bytes).map_err(|error| {
            let message = format!("check.{address} cannot be read: {}", chain(&error));
            Failure::new(Exit::Server, message).hint("the server may be newer than this lokahictl")
        })
    };
    let live = decode(&object.spec)?;
    let declared = match object.declared_spec.as_slice() {
        [] => None,
        bytes => Some(decode(bytes)?),
    };
    let block = kept_text(address, &live, declared.as_ref());
    let each = match address.contains('[') {
        true => {
            "# Where a for_each makes it: let each.value say what is different here, or write every \
             key\n# out as such a block, and none as a whole.\n"
        }
        false => "",
    };
    Ok(format!("# {place}\n{each}{block}"))
}

/// Says so if there is nothing of this name.
async fn known(client: &Client, asked: &Asked<'_>) -> Result<(), Failure> {
    let wanted = ProjectsRequest {
        project: asked
            .parts
            .map_or(asked.text, |(project, _)| project)
            .to_owned(),
        brief: true,
    };
    let (project, name) = match (client.projects(&wanted).await, asked.parts) {
        (Ok(_), None) => return Ok(()),
        (Ok(_), Some((project, name))) => (project, name),
        (Err(ClientError::Refused(refusal)), None)
            if matches!(refusal.code, Code::NotFound | Code::InvalidArgument) =>
        {
            ("", asked.text)
        }
        (Err(error), _) => return Err(error.into()),
    };
    let all = ObjectsRequest {
        project: project.to_owned(),
        ..ObjectsRequest::default()
    };
    let there = objects(client, all).await?;
    if there.iter().any(|object| is_called(&object.address, name)) {
        return Ok(());
    }
    let message = match project {
        "" => format!("not_found: there is no project and no check {name:?}"),
        project => format!("not_found: the project {project} has no check {name:?}"),
    };
    Err(Failure::new(Exit::Refused, message).hint("lokahictl status and list show names"))
}
