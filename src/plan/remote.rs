//! One repository is reached in several ways: by whoever clones it with a key, and by CI with a
//! token.

/// Whether two addresses are of one repository, as far as they tell.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    canonical(one) == canonical(other)
}

/// `HOST/PATH` of a repository elsewhere; a path on this machine stays as it is.
fn canonical(remote: &str) -> String {
    let (scheme, rest) = remote.split_once("://").unwrap_or(("", remote));
    let path = rest.trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    if scheme == "file" || scheme.is_empty() && path.starts_with(['/', '.']) {
        return path.to_owned();
    }
    let (place, path) = path.split_once('/').unwrap_or((path, ""));
    let host = place.rsplit_once('@').map_or(place, |(_, host)| host);
    let (host, path) = match host.rsplit_once(':') {
        // As ssh has it: HOST:PATH.
        Some((host, first)) if scheme.is_empty() => (host, format!("{first}/{path}")),
        Some((host, "22" | "80" | "443")) => (host, path.to_owned()),
        _ => (host, path.to_owned()),
    };
    format!("{}/{}", host.to_lowercase(), path.trim_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_to_one_repository() {
        let ways = [
            "git@github.com:acme/shop.git",
            "ssh://git@github.com/acme/shop.git",
            "ssh://git@GitHub.com:22/acme/shop",
            "https://github.com/acme/shop",
            "https://github.com/acme/shop.git/",
            "https://ci@github.com/acme/shop.git",
        ];
        for way in ways {
            assert!(is_same(way, ways[0]), "{way}");
        }
        for other in [
            "git@github.com:acme/shop2.git",
            "git@github.com:fork/shop.git",
            "https://github.com:8443/acme/shop",
            "https://gitlab.com/acme/shop",
            "https://github.com/acme/Shop",
            "/srv/git/acme/shop.git",
            "",
        ] {
            assert!(!is_same(other, ways[0]), "{other}");
        }
        assert!(is_same("/srv/git/shop.git", "file:///srv/git/shop"));
        assert!(is_same("host:shop", "ssh://host/shop"));
        assert!(is_same("", ""));
    }
}
