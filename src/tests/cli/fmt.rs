//! `lokahictl fmt`, as people and hooks of git use it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use lokahi::files::private as files;

use crate::support::programs::{Ended, lokahictl};

const UGLY: &str = "check \"web\" {\nurl=\"http://web/\"\n  every    = \"30s\"\n}\n";
const FINE: &str = "check \"web\" {\n  url   = \"http://web/\"\n  every = \"30s\"\n}\n";
const WRONG: &str = "check \"web\" {\n  url = \n}\n";

/// A folder of files.
fn folder(files: &[(&str, &str)]) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("fmt-{}", files::random_hex(8).unwrap()));
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// Runs it with a text on standard input.
fn fed(input: &str, arguments: &[&str]) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lokahictl"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A wrong command does not wait for it.
    stdin.write_all(input.as_bytes()).ok();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        words: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test]
async fn a_folder_is_formatted_and_then_clean() {
    let folder = folder(&[
        ("web.hcl", UGLY),
        ("team/fine.hcl", FINE),
        ("team/ugly.hcl", UGLY),
        ("_off.hcl", UGLY),
        ("notes.txt", UGLY),
    ]);
    let path = folder.to_str().unwrap();
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();

    let check = lokahictl("", &["fmt", "--check", path]).await;
    assert_eq!((check.code, check.words.as_str()), (3, ""));
    assert_eq!(read("web.hcl"), UGLY, "--check writes nothing");
    let done = lokahictl("", &["fmt", path]).await;
    assert_eq!((done.code, done.words.as_str()), (0, ""));
    assert_eq!(done.out, check.out);
    insta::assert_snapshot!(done.out.replace(path, "FOLDER"), @r"
    FOLDER/team/ugly.hcl
    FOLDER/web.hcl
    ");
    assert_eq!(read("web.hcl"), FINE);
    assert_eq!(read("team/ugly.hcl"), FINE);
    assert_eq!(read("_off.hcl"), UGLY);
    assert_eq!(read("notes.txt"), UGLY);

    for arguments in [["fmt", "--check", path], ["fmt", "--diff", path]] {
        let again = lokahictl("", &arguments).await;
        assert_eq!((again.code, again.out.as_str()), (0, ""));
    }
    fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_diff_is_shown_and_not_written() {
    let folder = folder(&[("web.hcl", UGLY)]);
    let path = folder.join("web.hcl");
    let name = path.to_str().unwrap();
    let diff = lokahictl("", &["fmt", "--diff", name]).await;
    assert_eq!((diff.code, diff.words.as_str()), (0, ""));
    insta::assert_snapshot!(diff.out.replace(name, "FILE"), @r#"
    --- FILE
    +++ FILE
    @@ -1,4 +1,4 @@
     check "web" {
    -url="http://web/"
    -  every    = "30s"
    +  url   = "http://web/"
    +  every = "30s"
     }
    "#);
    let both = lokahictl("", &["fmt", "--diff", "--check", name]).await;
    assert_eq!((both.code, both.out), (3, diff.out));
    assert_eq!(fs::read_to_string(&path).unwrap(), UGLY);
    fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn what_cannot_be_read_stops_no_other_file() {
    let folder = folder(&[("a.hcl", WRONG), ("b.hcl", UGLY)]);
    fs::write(folder.join("c.hcl"), b"# \xff\n").unwrap();
    let path = folder.to_str().unwrap();
    let ended = lokahictl("", &["fmt", path, "/nowhere.hcl"]).await;
    assert_eq!(ended.code, 1);
    assert_eq!(ended.out.replace(path, "FOLDER"), "FOLDER/b.hcl\n");
    insta::assert_snapshot!(ended.words.replace(path, "FOLDER"), @r#"
    error[LK0201]: invalid expression; expected `"`, `[`, `{`, `-`, `!`, `(`, `_`, `<`, letter or digit
     --> FOLDER/a.hcl:2:9
      |
    2 |   url =
      |         ^

    error: cannot format FOLDER/c.hcl: not UTF-8: the byte at offset 2 cannot stand there
    error: cannot format /nowhere.hcl: there is no such file or folder
    "#);
    assert_eq!(fs::read_to_string(folder.join("a.hcl")).unwrap(), WRONG);
    assert_eq!(fs::read_to_string(folder.join("b.hcl")).unwrap(), FINE);
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn standard_input_to_standard_output() {
    let done = fed(UGLY, &["fmt", "-"]);
    assert_eq!((done.code, done.out.as_str()), (0, FINE));
    let fine = fed(FINE, &["fmt", "-"]);
    assert_eq!((fine.code, fine.out.as_str()), (0, FINE));
    let check = fed(UGLY, &["fmt", "-", "--check"]);
    assert_eq!((check.code, check.out.as_str()), (3, "<stdin>\n"));
    let wrong = fed(WRONG, &["fmt", "-"]);
    assert_eq!((wrong.code, wrong.out.as_str()), (1, ""));
    assert!(wrong.words.contains("--> <stdin>:2:"), "{}", wrong.words);
    let usage = fed(UGLY, &["fmt", "-", "checks.d"]);
    assert_eq!(usage.code, 64, "{}", usage.words);
}

#[tokio::test]
async fn links_and_modes_stay_and_nothing_is_left_behind() {
    let folder = folder(&[("real/web.hcl", UGLY)]);
    let real = folder.join("real/web.hcl");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o604)).unwrap();
    symlink("real/web.hcl", folder.join("link.hcl")).unwrap();
    let link = folder.join("link.hcl");
    let done = lokahictl("", &["fmt", link.to_str().unwrap()]).await;
    assert_eq!(done.code, 0, "{}", done.words);
    assert!(link.is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap(), FINE);
    let mode = fs::metadata(&real).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o604);
    assert_eq!(fs::read_dir(folder.join("real")).unwrap().count(), 1);
    fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn the_sample_is_formatted() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/checks.d");
    let check = lokahictl("", &["fmt", "--check", "--diff", sample]).await;
    assert_eq!((check.code, check.out.as_str()), (0, ""));
}
