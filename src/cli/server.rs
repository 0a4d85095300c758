//! Which server, and with which credentials: a flag, the environment, a file, or
//! the seed's default. No message shows the URL or the token.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::exit::{Exit, Failure};
use crate::client::Client;

/// The server of the original's quick start.
const DEFAULT: &str = "http://AzureDiamond:hunter2@127.0.0.1:24253";
const FILE: &str = ".lokahictl.hcl";
/// Check files cannot read it: `manifest::inputs` sees to that.
const TOKEN: &str = "LOKAHI_TOKEN";

/// It has no `Debug` form: it is secret.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Configuration {
    server: Option<String>,
    token: Option<String>,
}

/// How the server is called. `server` is the flag or the environment's.
///
/// A token goes before the user and password of the URL, and the environment's
/// before the file's. The file's token is for the file's server alone: another
/// one must not get to know it.
pub(super) fn client(server: Option<String>, file: Option<PathBuf>) -> Result<Client, Failure> {
    let configured = configuration(server, file)?;
    let environment = std::env::var(TOKEN).ok();
    let server = configured.server.as_deref().unwrap_or(DEFAULT);
    let client = Client::new(server)?;
    match token(environment, configured.token) {
        Some(token) => Ok(client.with_token(&token)?),
        None => Ok(client),
    }
}

/// The first that is set; files and shells leave line breaks at the end.
fn token(environment: Option<String>, file: Option<String>) -> Option<String> {
    let given = [environment, file].into_iter().flatten();
    let mut given = given.map(|token| token.trim().to_owned());
    given.find(|token| !token.is_empty())
}

fn configuration(given: Option<String>, file: Option<PathBuf>) -> Result<Configuration, Failure> {
    if let Some(server) = given.filter(|server| !server.is_empty()) {
        return Ok(Configuration {
            server: Some(server),
            token: None,
        });
    }
    match file {
        Some(file) => read(&file)?
            .ok_or_else(|| Failure::new(Exit::Usage, format!("{}: no such file", file.display()))),
        None => match std::env::home_dir() {
            Some(home) => Ok(read(&home.join(FILE))?.unwrap_or_default()),
            None => Ok(Configuration::default()),
        },
    }
}

fn read(file: &Path) -> Result<Option<Configuration>, Failure> {
    let fault = |why: String| Failure::new(Exit::Usage, format!("{}: {why}", file.display()));
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(error.to_string())),
    };
    match hcl::from_str(&text) {
        Ok(configuration) => Ok(Some(configuration)),
        // Its text shows the line, and the line may hold a password.
        Err(hcl::Error::Parse(error)) => Err(fault(format!(
            "line {}: {}",
            error.location().line(),
            error.message()
        ))),
        Err(error) => Err(fault(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_in_the_file_does_not_show_the_password() {
        let path = std::env::temp_dir().join(format!(
            "lokahictl-{}.hcl",
            crate::files::private::random_hex(8).unwrap()
        ));
        let fault = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let failure = configuration(None, Some(path.clone())).err().unwrap();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(!failure.message.contains("secret"), "{}", failure.message);
            failure.message
        };
        fault("server = \"http://ada:secret@host\n");
        let text = "server = \"http://ada:secret@host\"\ntoken = \"t\"\n";
        std::fs::write(&path, text).unwrap();
        let read = configuration(None, Some(path.clone())).ok().unwrap();
        assert_eq!(read.server.as_deref(), Some("http://ada:secret@host"));
        assert_eq!(read.token.as_deref(), Some("t"));
        let other = configuration(Some("x".into()), Some(path.clone()))
            .ok()
            .unwrap();
        assert_eq!((other.server.as_deref(), other.token), (Some("x"), None));
        std::fs::remove_file(&path).unwrap();
        let failure = configuration(None, Some(path)).err().unwrap();
        assert!(
            failure.message.ends_with("no such file"),
            "{}",
            failure.message
        );
    }

    #[test]
    fn the_environment_goes_before_the_file() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(token(text(" a\n"), text("b")), text("a"));
        assert_eq!(token(text(""), text("b")), text("b"));
        assert_eq!(token(None, text(" ")), None);
    }
}
