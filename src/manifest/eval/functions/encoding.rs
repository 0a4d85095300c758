//! Encodings and digests of texts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::manifest::eval::functions::{
    Failure, Function, Group, Kind, Parameter, Wants, arguments, limits,
};
use crate::manifest::eval::value::Value;

const TEXT: Parameter = Parameter::new("text", Wants::String);

pub(super) const BASE64ENCODE: Function = Function {
    name: "base64encode",
    group: Group::Encoding,
    parameters: &[TEXT],
    rest: None,
    result: Kind::String,
    about: "The UTF-8 of the text in Base64 (RFC 4648, section 4).",
    example: r#"base64encode("user:pass")"#,
    gives: r#""dXNlcjpwYXNz""#,
    call: |args, _| Ok(Value::string(STANDARD.encode(arguments::text(args, 0)?))),
};

pub(super) const BASE64DECODE: Function = Function {
    name: "base64decode",
    group: Group::Encoding,
    parameters: &[TEXT],
    rest: None,
    result: Kind::String,
    about: "The text whose UTF-8 this is in Base64 (RFC 4648, section 4).",
    example: r#"base64decode("dXNlcjpwYXNz")"#,
    gives: r#""user:pass""#,
    call: |args, _| {
        let mut text = arguments::text(args, 0)?.to_owned();
        // Long ones are often written in several lines.
        text.retain(|c| !matches!(c, '\n' | '\r'));
        let bytes = STANDARD.decode(text);
        let bytes = bytes.map_err(|error| Failure::new(format!("no Base64: {error}")).at(0))?;
        let text = String::from_utf8(bytes);
        text.map(Value::string)
            .map_err(|_| Failure::new("what was decoded is no UTF-8, so it is no text").at(0))
    },
};

/// All but the unreserved characters of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

pub(super) const URLENCODE: Function = Function {
    name: "urlencode",
    group: Group::Encoding,
    parameters: &[TEXT],
    rest: None,
    result: Kind::String,
    about: "The text as it stands in the query of a URL; a space becomes `+`.",
    example: r#"urlencode("a b&c")"#,
    gives: r#""a+b%26c""#,
    call: |args, _| {
        let mut encoded = String::new();
        for part in utf8_percent_encode(arguments::text(args, 0)?, RESERVED) {
            encoded.push_str(if part == "%20" { "+" } else { part });
        }
        limits::text_size(encoded.len())?;
        Ok(Value::string(encoded))
    },
};

pub(super) const SHA256: Function = Function {
    name: "sha256",
    group: Group::Encoding,
    parameters: &[TEXT],
    rest: None,
    result: Kind::String,
    about: "The SHA-256 of the text's UTF-8, in hexadecimal.",
    example: r#"sha256("")"#,
    gives: r#""e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855""#,
    call: |args, _| {
        Ok(Value::string(hexadecimal(&Sha256::digest(
            arguments::text(args, 0)?,
        ))))
    },
};

pub(super) const MD5: Function = Function {
    name: "md5",
    group: Group::Encoding,
    parameters: &[TEXT],
    rest: None,
    result: Kind::String,
    about: "The MD5 of the text's UTF-8, in hexadecimal; it protects nothing.",
    example: r#"md5("")"#,
    gives: r#""d41d8cd98f00b204e9800998ecf8427e""#,
    call: |args, _| {
        Ok(Value::string(hexadecimal(&Md5::digest(arguments::text(
            args, 0,
        )?))))
    },
};

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
