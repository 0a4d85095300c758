//! What both are asked to look at: each target has a URL, the lines of a check of lokahi, and those
//! of a module of blackbox_exporter that ask for the same. `{name}` is a port or a path, see
//! `ground`.

/// A site, and what is expected of it.
pub(super) struct Target {
    pub(super) name: &'static str,
    /// For readers of the page.
    pub(super) what: &'static str,
    pub(super) url: &'static str,
    /// Lines of a `check` block.
    pub(super) check: &'static str,
    /// Lines below `http:` of a module.
    pub(super) module: &'static str,
}

/// One that is asked for without anything said about it.
const fn plain(name: &'static str, what: &'static str, url: &'static str) -> Target {
    asked(name, what, url, "", "")
}

const fn asked(
    name: &'static str,
    what: &'static str,
    url: &'static str,
    check: &'static str,
    module: &'static str,
) -> Target {
    Target {
        name,
        what,
        url,
        check,
        module,
    }
}

/// Over TLS, trusting the authority of most sites here.
const fn trusted(name: &'static str, what: &'static str, url: &'static str) -> Target {
    asked(name, what, url, CHECK_TRUSTS, MODULE_TRUSTS)
}

const CHECK_TRUSTS: &str = "tls { ca = file(\"ours.pem\") }";
const MODULE_TRUSTS: &str = "tls_config: {ca_file: {folder}/ours.pem}";

pub(super) const TARGETS: &[Target] = &[
    plain(
        "status_200",
        "nginx, 200",
        "http://site.test:{nginx}/status/200",
    ),
    plain(
        "status_204",
        "nginx, 204 without a body",
        "http://site.test:{nginx}/status/204",
    ),
    plain(
        "status_404",
        "nginx, 404",
        "http://site.test:{nginx}/status/404",
    ),
    plain(
        "status_500",
        "nginx, 500",
        "http://site.test:{nginx}/status/500",
    ),
    plain(
        "status_503",
        "nginx, 503",
        "http://site.test:{nginx}/status/503",
    ),
    plain(
        "status_999",
        "a site that says 999",
        "http://site.test:{odd}/status/999",
    ),
    plain(
        "early_hints",
        "a 103 before the 200",
        "http://site.test:{odd}/hints",
    ),
    asked(
        "wanted_404",
        "404, and that is what is wanted",
        "http://site.test:{nginx}/status/404",
        "assert { status = [404] }",
        "valid_status_codes: [404]",
    ),
    plain(
        "literal",
        "an address in place of a name",
        "http://127.0.0.1:{nginx}/status/200",
    ),
    plain(
        "moved_301",
        "a redirect by a path",
        "http://site.test:{nginx}/moved/301",
    ),
    plain(
        "moved_302",
        "a redirect to another name",
        "http://site.test:{nginx}/moved/302",
    ),
    plain(
        "moved_twice",
        "two redirects, to a 503",
        "http://site.test:{nginx}/moved/307",
    ),
    asked(
        "moved_wanted",
        "a redirect that is not to be followed",
        "http://site.test:{nginx}/moved/301",
        "follow_redirects = false\nassert { status = [301] }",
        "follow_redirects: false\nvalid_status_codes: [301]",
    ),
    plain(
        "moved_nine",
        "nine redirects, to a 200",
        "http://site.test:{nginx}/steps/1",
    ),
    plain(
        "moved_ten",
        "ten redirects, to a 200",
        "http://site.test:{nginx}/steps/0",
    ),
    plain(
        "moved_on_and_on",
        "redirects without an end",
        "http://site.test:{nginx}/spiral",
    ),
    plain(
        "circle",
        "a redirect to itself",
        "http://site.test:{nginx}/circle",
    ),
    plain(
        "gopher",
        "a redirect to what is no http URL",
        "http://site.test:{nginx}/gopher",
    ),
    asked(
        "head",
        "HEAD",
        "http://site.test:{nginx}/page",
        "method = \"HEAD\"",
        "method: HEAD",
    ),
    asked(
        "post",
        "POST of a body, which is said back",
        "http://site.test:{nginx}/take",
        "method = \"POST\"\nbody = \"ping\"\nassert { body_contains = [\"took POST 4\"] }",
        "method: POST\nbody: ping\nfail_if_body_not_matches_regexp: ['took POST 4']",
    ),
    asked(
        "no_password",
        "a password is wanted",
        "http://site.test:{nginx}/locked",
        "",
        "",
    ),
    asked(
        "password",
        "a password is wanted and given",
        "http://site.test:{nginx}/locked",
        "auth {\n  username = \"ali\"\n  password = secret(\"sesame\")\n}",
        "basic_auth: {username: ali, password: open sesame}",
    ),
    asked(
        "wrong_password",
        "a wrong password is given",
        "http://site.test:{nginx}/locked",
        "auth {\n  username = \"ali\"\n  password = secret(\"barley\")\n}",
        "basic_auth: {username: ali, password: open barley}",
    ),
    asked(
        "text",
        "a text that stands in the body",
        "http://site.test:{nginx}/page",
        "assert { body_contains = [\"all is well\"] }",
        "fail_if_body_not_matches_regexp: ['all is well']",
    ),
    asked(
        "no_text",
        "a text that does not",
        "http://site.test:{nginx}/page",
        "assert { body_contains = [\"all is lost\"] }",
        "fail_if_body_not_matches_regexp: ['all is lost']",
    ),
    asked(
        "header",
        "a header with the right value",
        "http://site.test:{nginx}/page",
        "assert { header_matches = { content-type = \"^text/plain\" } }",
        "fail_if_header_not_matches: [{header: content-type, regexp: '^text/plain'}]",
    ),
    asked(
        "wrong_header",
        "a header with another value",
        "http://site.test:{nginx}/page",
        "assert { header_matches = { content-type = \"^text/html\" } }",
        "fail_if_header_not_matches: [{header: content-type, regexp: '^text/html'}]",
    ),
    asked(
        "no_header",
        "a header that is not there",
        "http://site.test:{nginx}/page",
        "assert { header_matches = { x-none = \".\" } }",
        "fail_if_header_not_matches: [{header: x-none, regexp: '.'}]",
    ),
    asked(
        "chunks",
        "a body in chunks",
        "http://site.test:{nginx}/chunks/page",
        "assert { body_contains = [\"the very end\"] }",
        "fail_if_body_not_matches_regexp: ['the very end']",
    ),
    asked(
        "gzip",
        "a body that comes as gzip, as both were told to expect",
        "http://site.test:{nginx}/packed/page",
        "headers = { accept-encoding = \"gzip\" }\nassert { body_contains = [\"the very end\"] }",
        "compression: gzip\nheaders: {Accept-Encoding: gzip}\nfail_if_body_not_matches_regexp: ['the very end']",
    ),
    asked(
        "gzip_unexpected",
        "a body that comes as gzip although nobody asked",
        "http://site.test:{odd}/gzip",
        "assert { body_contains = [\"all is well\"] }",
        "fail_if_body_not_matches_regexp: ['all is well']",
    ),
    asked(
        "bad_gzip",
        "a body that says gzip and is none",
        "http://site.test:{odd}/bad_gzip",
        "headers = { accept-encoding = \"gzip\" }\nassert { body_contains = [\"all\"] }",
        "compression: gzip\nheaders: {Accept-Encoding: gzip}\nfail_if_body_not_matches_regexp: ['all']",
    ),
    plain("large", "8 MB", "http://site.test:{nginx}/large"),
    asked(
        "large_text",
        "8 MB, with the text that is looked for at their end",
        "http://site.test:{nginx}/large",
        "assert { body_contains = [\"the very end\"] }",
        "fail_if_body_not_matches_regexp: ['the very end']",
    ),
    plain(
        "slow_body",
        "40 kB within a second or two",
        "http://site.test:{nginx}/slow/page",
    ),
    plain(
        "dripping_body",
        "40 kB at 1 kB a second",
        "http://site.test:{nginx}/drip/page",
    ),
    plain(
        "dripping_header",
        "a header, byte by byte, for ever",
        "http://site.test:{odd}/drip",
    ),
    plain(
        "silent",
        "no answer, and an open connection",
        "http://site.test:{odd}/silent",
    ),
    plain(
        "closed",
        "nginx closes without an answer",
        "http://site.test:{nginx}/closed",
    ),
    plain(
        "reset",
        "a reset in place of an answer",
        "http://site.test:{odd}/reset",
    ),
    plain(
        "half_body",
        "half of the body that was promised",
        "http://site.test:{odd}/half",
    ),
    plain(
        "half_chunk",
        "the end in the middle of a chunk",
        "http://site.test:{odd}/half_chunk",
    ),
    plain(
        "bad_chunk",
        "a chunk whose size is no number",
        "http://site.test:{odd}/bad_chunk",
    ),
    plain(
        "http_0_9",
        "a body and nothing else (HTTP/0.9)",
        "http://site.test:{odd}/old",
    ),
    plain(
        "no_http",
        "the greeting of an SSH server",
        "http://site.test:{odd}/ssh",
    ),
    plain(
        "large_header",
        "a header of 200 kB",
        "http://site.test:{odd}/header",
    ),
    trusted(
        "tls",
        "nginx over TLS, which offers HTTP/2",
        "https://site.test:{secure}/",
    ),
    trusted("tls_1_2", "openssl, TLS 1.2", "https://site.test:{tls12}/"),
    trusted("tls_1_3", "openssl, TLS 1.3", "https://site.test:{tls13}/"),
    trusted(
        "tls_1_1",
        "openssl, TLS 1.1 and no newer",
        "https://site.test:{tls11}/",
    ),
    asked(
        "tls_too_old",
        "openssl, TLS 1.2, where 1.3 is wanted",
        "https://site.test:{tls12}/",
        "tls {\n  ca = file(\"ours.pem\")\n  min_version = \"1.3\"\n}",
        "tls_config: {ca_file: {folder}/ours.pem, min_version: TLS13}",
    ),
    trusted(
        "tls_expired",
        "a certificate that ended in 2021",
        "https://site.test:{expired}/",
    ),
    trusted(
        "tls_early",
        "one that begins in 2099",
        "https://site.test:{early}/",
    ),
    trusted(
        "tls_name",
        "one for another name",
        "https://site.test:{name}/",
    ),
    trusted(
        "tls_self_signed",
        "one that vouches for itself",
        "https://site.test:{self}/",
    ),
    trusted(
        "tls_unknown",
        "one of an authority that is not trusted",
        "https://site.test:{theirs}/",
    ),
    asked(
        "tls_unverified",
        "one that ended in 2021, where nobody cares",
        "https://site.test:{expired}/",
        "tls { verify = false }",
        "tls_config: {insecure_skip_verify: true}",
    ),
    trusted(
        "tls_no_client",
        "a certificate of ours is wanted",
        "https://site.test:{client}/",
    ),
    asked(
        "tls_client",
        "a certificate of ours is wanted and shown",
        "https://site.test:{client}/",
        "tls {\n  ca   = file(\"ours.pem\")\n  cert = file(\"client.pem\")\n  key  = secret(\"client\")\n}",
        "tls_config: {ca_file: {folder}/ours.pem, cert_file: {folder}/client.pem, \
         key_file: {folder}/client}",
    ),
    trusted(
        "tls_at_http",
        "TLS where plain HTTP is spoken",
        "https://site.test:{nginx}/",
    ),
    plain(
        "http_at_tls",
        "plain HTTP where TLS is spoken",
        "http://site.test:{secure}/",
    ),
    trusted(
        "http2",
        "nghttpd, HTTP/2 over TLS",
        "https://site.test:{h2}/",
    ),
    asked(
        "http2_unasked",
        "nghttpd, HTTP/2 without TLS",
        "http://site.test:{h2c}/",
        "http_version = \"2\"",
        "",
    ),
    plain(
        "no_name",
        "a name that does not exist",
        "http://nowhere.test/",
    ),
    plain(
        "no_address",
        "a name without an address",
        "http://text.test/",
    ),
    plain(
        "cname",
        "a name that leads to another, and on",
        "http://one.test:{nginx}/status/200",
    ),
    plain(
        "servfail",
        "a name server that says SERVFAIL",
        "http://bogus.test/",
    ),
    plain(
        "refused_name",
        "a name server that refuses",
        "http://example.com/",
    ),
    plain(
        "slow_name",
        "a name server that takes half a second",
        "http://slow.test:{nginx}/status/200",
    ),
    plain(
        "silent_name",
        "a name server that does not answer",
        "http://silent.test/",
    ),
    plain(
        "both_families",
        "a name with an address of each family, and a site on one",
        "http://both.test:{nginx}/status/200",
    ),
    plain("refused", "nobody listens", "http://site.test:85/"),
    plain(
        "black_hole",
        "packets are dropped on the way",
        "http://site.test:81/",
    ),
    plain(
        "unreachable",
        "packets are refused on the way",
        "http://site.test:82/",
    ),
    plain(
        "no_route",
        "an address to which no way leads",
        "http://192.0.2.1/",
    ),
    plain(
        "lossy",
        "every fifth packet is lost",
        "http://site.test:83/status/200",
    ),
];
