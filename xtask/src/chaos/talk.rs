//! What is said on a connection to Postgres, as much of it as is needed to see that a transition or
//! a claim is being committed. By Postgres's protocol a statement is parsed once (`P`, its length,
//! its name, its text) and then bound (`B`, its length, an empty name, its name); `COMMIT` is a
//! query of its own.

use super::fault::Who;

#[derive(Debug)]
pub(super) struct Talk {
    pub(super) client: Who,
    pub(super) transitions: Watched,
    claims: Watched,
}

/// A statement that matters once it is committed.
#[derive(Debug)]
pub(super) struct Watched {
    text: &'static [u8],
    /// How it is called on this connection.
    name: Vec<u8>,
    /// It was run, and is not committed.
    is_pending: bool,
    pub(super) is_committing: bool,
}

impl Talk {
    pub(super) fn of(client: Who) -> Self {
        Self {
            client,
            transitions: Watched::of(b"\0insert into transitions"),
            claims: Watched::of(b"\0insert into claims"),
        }
    }

    /// What a client says.
    pub(super) fn ask(&mut self, said: &[u8]) {
        self.transitions.ask(said);
        self.claims.ask(said);
    }

    /// Whether the server says that a transition is committed, and whether a claim is.
    pub(super) fn answer(&mut self, said: &[u8]) -> (bool, bool) {
        (self.transitions.answer(said), self.claims.answer(said))
    }
}

impl Watched {
    fn of(text: &'static [u8]) -> Self {
        Self {
            text,
            name: Vec::new(),
            is_pending: false,
            is_committing: false,
        }
    }

    fn ask(&mut self, said: &[u8]) {
        if let Some(at) = find(said, self.text) {
            let before = said.get(..at).unwrap_or_default();
            let starts = (5..before.len()).rev();
            let named = starts.filter(|start| before.get(start - 5) == Some(&b'P'));
            let mut names = named.filter_map(|start| before.get(start..));
            let name = names.find(|name| name.iter().all(u8::is_ascii_graphic));
            self.name = name.unwrap_or_default().to_vec();
        }
        if !self.name.is_empty() {
            let bound = [b"\0", self.name.as_slice(), b"\0"].concat();
            self.is_pending |= find(said, &bound).is_some();
        }
        if find(said, b"ROLLBACK\0").is_some() {
            self.is_pending = false;
        }
        if self.is_pending && find(said, b"COMMIT\0").is_some() {
            self.is_committing = true;
        }
    }

    fn answer(&mut self, said: &[u8]) -> bool {
        let committed = self.is_committing && find(said, b"COMMIT\0").is_some();
        if committed {
            self.is_pending = false;
            self.is_committing = false;
        }
        committed
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|it| it == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transitions_and_claims_are_seen_being_committed() {
        let mut talk = Talk::of(Who::Lokahid1);
        talk.ask(b"Q\0\0\0\x0bCOMMIT\0");
        assert!(!talk.transitions.is_committing);
        talk.ask(b"P\0\0\0\x30sqlx_s_7\0insert into transitions (id) values ($1)\0\0\0");
        assert_eq!(talk.transitions.name, b"sqlx_s_7");
        assert!(!talk.transitions.is_pending);
        talk.ask(b"B\0\0\0\x20\0sqlx_s_7\0\0\0");
        // Nobody has asked for it yet.
        assert_eq!(talk.answer(b"C\0\0\0\x0bCOMMIT\0"), (false, false));
        talk.ask(b"Q\0\0\0\x0bCOMMIT\0");
        assert!(talk.transitions.is_committing);
        assert_eq!(talk.answer(b"C\0\0\0\x0bCOMMIT\0Z"), (true, false));
        assert_eq!(talk.answer(b"C\0\0\0\x0bCOMMIT\0Z"), (false, false));
        talk.ask(b"B\0\0\0\x20\0sqlx_s_7\0\0\0");
        talk.ask(b"Q\0\0\0\x0bROLLBACK\0");
        assert!(!talk.transitions.is_pending);
        talk.ask(b"P\0\0\0\x31sqlx_s_8\0insert into claims (n) values ($1)\0\0\0");
        talk.ask(b"B\0\0\0\x20\0sqlx_s_8\0\0\0");
        talk.ask(b"Q\0\0\0\x0bCOMMIT\0");
        assert_eq!(talk.answer(b"C\0\0\0\x0bCOMMIT\0Z"), (false, true));
    }
}
