//! Certificates that openssl makes, for servers that nobody here wrote.

use std::process::Command;

use lokahi::model::tls::{Certificates, TlsSpec};

use crate::support::folder::Folder;
use crate::support::stranger::{run, stranger};

const CONFIG: &str = "
[req]
distinguished_name = empty
prompt = no
[empty]
[ca]
default_ca = book
[book]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[authority]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[site]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature,keyEncipherment
extendedKeyUsage = serverAuth,clientAuth
subjectAltName = $ENV::NAMES
";

/// The moments between which a certificate is good that nothing is wrong with.
pub(super) const SINCE: &str = "20200101000000Z";
pub(super) const UNTIL: &str = "21000101000000Z";

/// Somebody who vouches for others, until this is dropped.
pub(super) struct Authority {
    folder: Folder,
}

/// A certificate and its key, as PEM.
pub(super) struct Identity {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// openssl, without what the machine has configured.
pub(super) fn openssl() -> Command {
    let mut command = stranger("openssl");
    command
        .env("OPENSSL_CONF", "/dev/null")
        .env("NAMES", "DNS:localhost");
    command
}

impl Authority {
    /// Authorities have keys on a curve, sites have RSA ones.
    pub(super) fn new(name: &str) -> Self {
        let folder = Folder::new();
        folder.write("ca.cnf", CONFIG);
        folder.write("index.txt", "");
        let request = ["req", "-config", "ca.cnf", "-nodes"];
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
        let own = ["-x509", "-days", "3650", "-extensions", "authority"];
        let files = ["-keyout", "ca.key", "-out", "ca.pem"];
        let mut command = openssl();
        command.args(request).args(curve).args(own).args(files);
        run(command.args(["-subj", &format!("/CN={name}")]), &folder);
        Self { folder }
    }

    pub(super) fn pem(&self) -> String {
        self.folder.read("ca.pem")
    }

    /// Trusts this authority alone.
    pub(super) fn trusted(&self) -> TlsSpec {
        let pem: Certificates = self.pem().parse().unwrap();
        TlsSpec {
            authorities: Some(pem),
            ..TlsSpec::default()
        }
    }

    /// A certificate for names in openssl's words, `DNS:localhost` for one.
    pub(super) fn identity(&self, names: &str) -> Identity {
        self.identity_between(names, SINCE, UNTIL)
    }

    pub(super) fn identity_between(&self, names: &str, since: &str, until: &str) -> Identity {
        self.request();
        let mut command = self.signing(since, until);
        command.args(["-cert", "ca.pem", "-keyfile", "ca.key"]);
        command.env("NAMES", names);
        run(&mut command, &self.folder);
        self.read()
    }

    /// A certificate for names that vouches for itself.
    pub(super) fn self_signed(&self, names: &str) -> Identity {
        self.request();
        let mut command = self.signing(SINCE, UNTIL);
        command.args(["-selfsign", "-keyfile", "site.key"]);
        run(command.env("NAMES", names), &self.folder);
        self.read()
    }

    /// What makes a certificate of the request that was made last.
    fn signing(&self, since: &str, until: &str) -> Command {
        let mut command = openssl();
        command
            .args([
                "ca", "-config", "ca.cnf", "-batch", "-notext", "-md", "sha256",
            ])
            .args(["-in", "site.csr", "-out", "site.pem", "-extensions", "site"])
            .args(["-startdate", since, "-enddate", until]);
        command
    }

    fn request(&self) {
        let mut command = openssl();
        command
            .args(["req", "-config", "ca.cnf", "-nodes", "-newkey", "rsa:2048"])
            .args(["-keyout", "site.key", "-out", "site.csr"])
            .args(["-subj", "/CN=a site"]);
        run(&mut command, &self.folder);
    }

    fn read(&self) -> Identity {
        Identity {
            certificate: self.folder.read("site.pem"),
            key: self.folder.read("site.key"),
        }
    }
}

impl Identity {
    /// Puts it where a server finds it, as `cert.pem` and `key.pem`.
    pub(super) fn write(&self, folder: &Folder) {
        folder.write("cert.pem", &self.certificate);
        folder.write("key.pem", &self.key);
    }
}
