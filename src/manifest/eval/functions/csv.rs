//! CSV (RFC 4180), whose first line names the columns.

use std::collections::BTreeSet;

use crate::manifest::eval::functions::{
    Failure, Function, Group, Kind, Parameter, Wants, arguments, limits,
};
use crate::manifest::eval::value::Value;
use crate::model::quoted::Quoted;

pub(super) const CSVDECODE: Function = Function {
    name: "csvdecode",
    group: Group::Encoding,
    parameters: &[Parameter::new("text", Wants::String)],
    rest: None,
    result: Kind::List,
    about: "The lines of a text of CSV, each as an object of strings; the first line has the \
            keys.",
    example: r#"csvdecode("name,port\neu,443")"#,
    gives: r#"[{ name = "eu", port = "443" }]"#,
    call: |args, span| {
        let failure = |why: String| Failure::new(format!("no CSV: {why}")).at(0);
        let mut reader = ::csv::Reader::from_reader(arguments::text(args, 0)?.as_bytes());
        let names = reader
            .headers()
            .map_err(|error| failure(error.to_string()))?
            .clone();
        if names.is_empty() {
            return Err(failure("there is no line that names the columns".into()));
        }
        let mut met = BTreeSet::new();
        if let Some(twice) = names.iter().find(|name| !met.insert(*name)) {
            return Err(failure(format!("two columns are named {}", Quoted(twice))));
        }
        let mut lines = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| failure(error.to_string()))?;
            limits::entries(lines.len() + 1)?;
            limits::parts((lines.len() + 1).saturating_mul(names.len()))?;
            let fields = record.iter().map(Value::string);
            lines.push(Value::object(names.iter().zip(fields), span));
        }
        Ok(Value::list(lines, span))
    },
};
