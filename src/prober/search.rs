//! Texts looked for in a body as it arrives. Only the end of what came before is kept: as
//! much as a text could begin in.

/// The texts that assertions want, and which of them have been seen.
#[derive(Debug, Default)]
pub(super) struct Search<'a> {
    texts: Vec<&'a [u8]>,
    pub(super) found: Vec<bool>,
    tail: Vec<u8>,
    keep: usize,
}

impl<'a> Search<'a> {
    pub(super) fn new(texts: impl Iterator<Item = &'a str>) -> Self {
        let texts: Vec<&[u8]> = texts.map(str::as_bytes).collect();
        let longest = texts
            .iter()
            .map(|text| text.len())
            .max()
            .unwrap_or_default();
        Self {
            // The empty text is in every body.
            found: texts.iter().map(|text| text.is_empty()).collect(),
            keep: longest.saturating_sub(1),
            tail: Vec::new(),
            texts,
        }
    }

    pub(super) fn restart(&mut self) {
        self.tail.clear();
        for (found, text) in self.found.iter_mut().zip(&self.texts) {
            *found = text.is_empty();
        }
    }

    pub(super) fn feed(&mut self, chunk: &[u8]) {
        if self.found.iter().all(|found| *found) {
            return;
        }
        self.tail.extend_from_slice(chunk);
        for (found, text) in self.found.iter_mut().zip(&self.texts) {
            *found = *found || contains(&self.tail, text);
        }
        let over = self.tail.len().saturating_sub(self.keep);
        self.tail.drain(..over);
    }
}

fn contains(mut hay: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else {
        return true;
    };
    while let Some(at) = hay.iter().position(|byte| byte == first) {
        let Some(rest) = hay.get(at..) else {
            return false;
        };
        if rest.starts_with(needle) {
            return true;
        }
        hay = rest.get(1..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(chunks: &[&str], texts: &[&str]) -> Vec<bool> {
        let mut search = Search::new(texts.iter().copied());
        for chunk in chunks {
            search.feed(chunk.as_bytes());
        }
        search.found
    }

    #[test]
    fn a_text_may_stand_across_chunks() {
        assert_eq!(
            found(&["hel", "l", "o wor", "ld"], &["hello", "world", "xyz"]),
            [true, true, false]
        );
        assert_eq!(found(&["aab"], &["ab", "", "b"]), [true, true, true]);
        assert_eq!(found(&[], &["a", ""]), [false, true]);
    }

    #[test]
    fn however_a_body_is_cut_the_same_is_found() {
        let body = "abracadabra";
        for size in 1..=body.len() {
            let mut search = Search::new(["cada", "abra", "dabrac"].into_iter());
            body.as_bytes()
                .chunks(size)
                .for_each(|chunk| search.feed(chunk));
            assert_eq!(search.found, [true, true, false], "{size}");
        }
    }
}
