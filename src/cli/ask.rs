//! Questions on a terminal.

use super::exit::{Exit, Failure};
use super::output::Console;

/// Asks; nobody there to answer is a no.
pub(super) async fn approved(question: &str, console: &mut Console<'_>) -> Result<bool, Failure> {
    if !console.answers {
        return Ok(false);
    }
    write!(console.words, "{question} Only `yes` is accepted: ")?;
    console.words.flush()?;
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let answer = answer
        .await
        .map_err(|error| Failure::new(Exit::Declined, error.to_string()))??;
    Ok(answer.trim_end_matches(['\r', '\n']) == "yes")
}
