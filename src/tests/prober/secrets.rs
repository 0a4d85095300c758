//! Secrets of a probe: asked for when it is sent, told to nobody but the site.

use lokahi::files::bindings::BindingFile;
use lokahi::files::private::random_hex;
use lokahi::files::secrets::Secrets;
use lokahi::model::check::{Assert, CheckSpec, Method};
use lokahi::model::secret::{Piece, SecretUse, Text};
use lokahi::prober::probe::ProbeContext;

use super::manners::{recording, redirect};
use super::site::OK;
use super::{allowed, check, context, observe_as, verdict};

/// A folder with one secret, `form`.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("lokahi-secrets-{}", random_hex(6).unwrap());
        let folder = Self(std::env::temp_dir().join(name));
        std::fs::create_dir(&folder.0).unwrap();
        folder.write("first");
        folder
    }

    fn write(&self, value: &str) {
        std::fs::write(self.0.join("form"), format!("{value}\n")).unwrap();
    }

    /// With one more in the environment, `tok`.
    fn context(&self) -> ProbeContext {
        context().with_secrets(Secrets::with_variables(Some(self.0.clone()), |name| {
            (name == "LOKAHI_SECRET_TOK").then(|| "s3cret".into())
        }))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn text(before: &str, secret: &str) -> Text {
    Text::new([
        Piece::Plain(before.into()),
        Piece::Secret(secret.parse().unwrap()),
    ])
}

fn asking(url: &str) -> CheckSpec {
    CheckSpec {
        method: Method::Post,
        headers: vec![("Authorization".into(), text("Bearer ", "tok"))],
        body: text("form=", "form"),
        ..check(url)
    }
}

#[tokio::test]
async fn they_come_from_the_environment_and_from_a_folder() {
    let (folder, (site, heads)) = (Folder::new(), recording(OK.into()).await);
    let context = folder.context();
    for value in ["first", "second"] {
        folder.write(value);
        let observation = observe_as(&context, &asking(&site.url()), &allowed()).await;
        assert_eq!(verdict(&observation), "up", "{observation:?}");
        let sent = heads.lock().unwrap().remove(0);
        assert!(
            sent.contains("\r\nAuthorization: Bearer s3cret\r\n"),
            "{sent}"
        );
        assert!(sent.ends_with(&format!("\r\n\r\nform={value}")), "{sent}");
    }
}

#[tokio::test]
async fn without_a_value_nothing_is_asked() {
    let (folder, (site, heads)) = (Folder::new(), recording(OK.into()).await);
    let context = folder.context();
    let mut spec = asking(&site.url());
    let refused = observe_as(&context, &spec, &SecretUse::bound("shop")).await;
    assert_eq!(verdict(&refused), "unknown secret_unbound");
    assert!(
        refused
            .detail
            .starts_with("secret(\"tok\") may not be used")
    );
    spec.body = text("", "no-ne");
    let missing = observe_as(&context, &spec, &allowed()).await;
    assert_eq!(verdict(&missing), "unknown secret_missing");
    assert_eq!(
        missing.detail,
        "secret(\"no-ne\") is not known to this worker: set LOKAHI_SECRET_NO_NE, or put a file \
         \"no-ne\" into its SECRETS_DIR"
    );
    assert!(heads.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_redirect_takes_neither_header_nor_body_away() {
    let folder = Folder::new();
    let (end, heads) = recording(OK.into()).await;
    let (start, first) = recording(redirect(307, &end.url())).await;
    let spec = CheckSpec {
        headers: vec![("Accept".into(), text("x; ", "tok"))],
        ..asking(&start.url())
    };
    let observation = observe_as(&folder.context(), &spec, &allowed()).await;
    assert_eq!(verdict(&observation), "up", "{observation:?}");
    let (near, far) = (
        first.lock().unwrap().remove(0),
        heads.lock().unwrap().remove(0),
    );
    assert!(
        near.contains("s3cret") && near.ends_with("form=first"),
        "{near}"
    );
    assert!(far.starts_with("POST / ") && far.contains("\r\nContent-Length: 0\r\n"));
    assert!(!far.contains("s3cret") && !far.contains("first"), "{far}");
}

#[tokio::test]
async fn a_site_that_says_them_back_is_not_quoted() {
    let folder = Folder::new();
    let leading = |to: &str| redirect(302, to);
    let saying = |body: &str| {
        format!(
            "HTTP/1.1 500 No\r\nX-Said: s3cret\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    for (answer, class) in [
        (leading("gopher://s3cret/"), "error protocol"),
        (
            leading(&format!("gopher://{}s3cret", "x".repeat(280))),
            "error protocol",
        ),
        (leading("/?s3cr%65t"), "error too_many_redirects"),
        (saying("{\"said\": \"s3cret\"}"), "down"),
    ] {
        let (site, _) = recording(answer).await;
        let spec = CheckSpec {
            asserts: vec![Assert {
                header: [("x-said".to_owned(), "nothing".to_owned())].into(),
                json: [("said".parse().unwrap(), lokahi::model::scalar::Scalar::Null)].into(),
                ..Assert::success()
            }],
            ..asking(&site.url())
        };
        let observation = observe_as(&folder.context(), &spec, &allowed()).await;
        assert_eq!(verdict(&observation), class, "{observation:?}");
        let shown = format!("{observation:?}");
        assert!(!observation.detail.is_empty());
        for part in ["s3c", "3cret", "s3cr%65t"] {
            assert!(!shown.contains(part), "{shown}");
        }
    }
}

#[tokio::test]
async fn what_is_bound_goes_to_its_hosts_for_its_projects_alone() {
    let folder = Folder::new();
    let (site, _heads) = recording(OK.into()).await;
    let file = folder.0.join("binding");
    let bind = |hosts: &str| {
        let text = format!(
            "secret \"tok\" {{\n  hosts    = [{hosts}]\n  projects = [\"shop\"]\n}}\n\n\
             secret \"form\" {{\n  hosts    = [{hosts}]\n  projects = [\"shop\"]\n}}\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    bind("\"127.0.0.1\"");
    let secrets = Secrets::with_variables(Some(folder.0.clone()), |name| {
        (name == "LOKAHI_SECRET_TOK").then(|| "s3cret".into())
    });
    let secrets = secrets.bound_by(BindingFile::open(&file).unwrap());
    let context = context().with_secrets(secrets);
    let spec = asking(&site.url());
    // Of many projects, and not even applied: what is bound is used.
    let good = observe_as(&context, &spec, &SecretUse::bound("shop")).await;
    assert_eq!(verdict(&good), "up", "{good:?}");
    let other = observe_as(&context, &spec, &SecretUse::bound("blog")).await;
    assert_eq!(verdict(&other), "unknown secret_unbound");
    // What is bound elsewhere does not go here for the only project, either.
    bind("\"*.shop.example.com\"");
    let elsewhere = observe_as(&context, &spec, &allowed()).await;
    assert_eq!(verdict(&elsewhere), "unknown secret_unbound");
    assert_eq!(
        elsewhere.detail,
        "secret(\"tok\") may not be used by project \"shop\" for 127.0.0.1: it is bound to hosts \
         [*.shop.example.com] and projects [shop]"
    );
}
