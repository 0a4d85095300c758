//! Under whose name the servers run. An ordinary user runs them as itself. Root never does:
//! Postgres refuses it, and nats-server has no need of it; so as root the servers get the uid
//! that already owns their data, else `postgres`, else `nobody`.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use nix::unistd::{Gid, Uid, User};
use tokio::process::Command;

use super::error::{At, Error};

/// The user to drop to; only root has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    name: String,
    uid: Uid,
    gid: Gid,
}

impl Account {
    /// `None` when we are an ordinary user and nothing is to be dropped.
    pub(super) fn choose(data: &Path) -> Result<Option<Self>, Error> {
        if !nix::unistd::geteuid().is_root() {
            return Ok(None);
        }
        if let Ok(owner) = fs::metadata(data)
            && owner.uid() != 0
        {
            let uid = Uid::from_raw(owner.uid());
            let user = User::from_uid(uid).ok().flatten();
            return Ok(Some(Self {
                name: user.map_or_else(|| uid.to_string(), |user| user.name),
                uid,
                gid: Gid::from_raw(owner.gid()),
            }));
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| {
                Some(Self {
                    name: user.name,
                    uid: user.uid,
                    gid: user.gid,
                })
            })
            .ok_or(Error::NoAccount)
    }

    /// Gives a file or folder of ours to the servers.
    pub(super) fn own(account: Option<&Self>, path: &Path) -> Result<(), Error> {
        let Some(Self { uid, gid, .. }) = account else {
            return Ok(());
        };
        chown(path, Some(uid.as_raw()), Some(gid.as_raw())).at("giving away", path)
    }

    /// Makes the command run under this account. The other groups of root are dropped too.
    pub(super) fn drop_to(account: Option<&Self>, command: &mut Command) {
        if let Some(Self { uid, gid, .. }) = account {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
    }

    /// Whether a folder belongs to the servers alone: theirs, no link, closed to all others.
    pub(super) fn owns_alone(account: Option<&Self>, path: &Path) -> bool {
        let uid = account.map_or_else(nix::unistd::geteuid, |account| account.uid);
        fs::symlink_metadata(path).is_ok_and(|found| {
            found.is_dir() && found.uid() == uid.as_raw() && found.mode() & 0o077 == 0
        })
    }

    /// Fails with the first folder above `path` that the account may not pass through.
    pub(super) fn check_enterable(account: Option<&Self>, path: &Path) -> Result<(), Error> {
        let Some(account) = account else {
            return Ok(());
        };
        let path = path.canonicalize().at("looking for", path)?;
        let mut folders: Vec<_> = path.ancestors().filter(|folder| folder.is_dir()).collect();
        folders.reverse();
        for folder in folders {
            let found = fs::metadata(folder).at("looking at", folder)?;
            let bit = match () {
                () if found.uid() == account.uid.as_raw() => 0o100,
                () if found.gid() == account.gid.as_raw() => 0o010,
                () => 0o001,
            };
            if found.mode() & bit == 0 {
                return Err(Error::NotEnterable {
                    path: folder.to_owned(),
                    user: account.name.clone(),
                });
            }
        }
        Ok(())
    }

    /// The name for messages.
    pub(super) fn name(account: Option<&Self>) -> String {
        account.map_or_else(
            || "who runs this".to_owned(),
            |account| account.name.clone(),
        )
    }
}
