//! Small files and folders with the rights that they need: written whole or not at all,
//! private by default. As root, a new file belongs to whoever owns its folder, so that a
//! data folder made by an ordinary user stays usable by that user.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;

/// Writes `bytes` with mode 0600 beside `path`, syncs, and renames into place.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // The parent of a bare name is no folder that can be opened.
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = parent.unwrap_or_else(|| Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let draft = folder.join(name);
    if let Err(error) = fs::remove_file(&draft)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    give_to_folder_owner(&draft, folder)?;
    fs::rename(&draft, path)?;
    sync_folder(folder)
}

/// The text of a small file, or `None` when there is no such file.
pub fn read_text(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a folder (and those above it) with `mode` if it is not there; an existing one keeps
/// the mode that it has.
pub fn create_folder(path: &Path, mode: u32) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_folder(parent, 0o755)?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {
            // A tight umask must not take away what the caller asked for.
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
            path.parent()
                .map_or(Ok(()), |parent| give_to_folder_owner(path, parent))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes the names in a folder durable: a rename is on disk only after this.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// `length` random bytes from the operating system, as lower-case hex.
pub fn random_hex(length: usize) -> io::Result<String> {
    let mut bytes = vec![0_u8; length];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn give_to_folder_owner(path: &Path, folder: &Path) -> io::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let owner = fs::metadata(folder)?;
    chown(path, Some(owner.uid()), Some(owner.gid()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_is_whole_and_readable_by_its_owner_alone() {
        let folder = std::env::temp_dir().join(format!("lokahi-{}", random_hex(8).unwrap()));
        create_folder(&folder, 0o700).unwrap();
        let path = folder.join("token");
        write_private(&path, b"first").unwrap();
        write_private(&path, b"second").unwrap();
        assert_eq!(read_text(&path).unwrap().as_deref(), Some("second"));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        assert_eq!(read_text(&folder.join("nothing")).unwrap(), None);
        fs::remove_dir_all(&folder).unwrap();
    }
}
