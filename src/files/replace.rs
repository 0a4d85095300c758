//! New content for a file that is there: whoever reads it finds the old or the new,
//! and it keeps its mode, and where that is allowed its owner. What a link leads to
//! is replaced, not the link. It is not synced: these files stand in git, and a
//! thousand of them would take ten seconds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::Path;

use crate::files::private::random_hex;

/// Puts `new` in place of `old`. Fails if the file holds something else by now.
pub fn replace(path: &Path, old: &[u8], new: &[u8]) -> io::Result<()> {
    let path = path.canonicalize()?;
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    // A leading dot: nobody who walks or watches the folder takes it for a check file.
    let draft = folder.join(format!(".{}.new", random_hex(8)?));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    let replaced =
        fill(&mut file, &path, &draft, old, new).and_then(|()| fs::rename(&draft, &path));
    if replaced.is_err() {
        fs::remove_file(&draft).ok();
    }
    replaced
}

fn fill(file: &mut File, path: &Path, draft: &Path, old: &[u8], new: &[u8]) -> io::Result<()> {
    file.write_all(new)?;
    let was = fs::metadata(path)?;
    let is = file.metadata()?;
    if (was.uid(), was.gid()) != (is.uid(), is.gid()) {
        // Only root may give files away; for others it is as with any editor.
        chown(draft, Some(was.uid()), Some(was.gid()))
            .or_else(|_| chown(draft, None, Some(was.gid())))
            .ok();
    }
    file.set_permissions(was.permissions())?;
    if fs::read(path)? != old {
        return Err(io::Error::other("it changed meanwhile"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn mode_and_links_stay() {
        let folder = std::env::temp_dir().join(format!("lokahi-{}", random_hex(8).unwrap()));
        fs::create_dir_all(folder.join("a")).unwrap();
        let (path, link) = (folder.join("a/file"), folder.join("link"));
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("a/file", &link).unwrap();

        replace(&link, b"old", b"new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);

        let error = replace(&path, b"old", b"newer").unwrap_err();
        assert_eq!(error.to_string(), "it changed meanwhile");
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.join("a")).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
