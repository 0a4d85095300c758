//! The functions of the language: one table, from which a call is answered and the
//! documentation is written. Pure and bounded: no clock, no chance, no network, and no result
//! that outgrows its limits. They mean what Terraform's functions of the same name mean;
//! characters are Unicode scalar values. `env`, `secret`, `file`, `fileset`, `try` and `can`
//! need more than their arguments and stand with the evaluator.

mod arguments;
mod fit;
mod limits;
pub(super) mod order;
pub(super) mod coerce;
mod text;

mod coalesce;
mod collection;
mod convert;
mod csv;
mod encoding;
mod format;
mod json;
mod logic;
mod number;
mod object;
pub(super) mod pattern;
mod range;
mod sequence;
mod set;
mod string;
mod substring;
mod verb;
mod yaml;

#[cfg(test)]
mod tests;

use crate::manifest::diagnostic::Code;
use crate::manifest::eval::typing::{Presence, Type};
use crate::manifest::eval::value::{Node, Value};
use crate::manifest::source::Span;

/// A function of the language.
#[derive(Debug)]
pub struct Function {
    pub name: &'static str,
    pub group: Group,
    /// Those that may be left out stand last.
    pub parameters: &'static [Parameter],
    /// What any number of further arguments are.
    pub rest: Option<Parameter>,
    pub result: Kind,
    /// One sentence.
    pub about: &'static str,
    /// A call, as HCL.
    pub example: &'static str,
    /// What the example comes to, as HCL.
    pub gives: &'static str,
    /// Takes what [`call`] has checked and converted; not to be called around it.
    pub call: fn(&[Node], Span) -> Result<Value, Failure>,
}

/// Which functions belong together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Group {
    String,
    Collection,
    Number,
    Encoding,
    Conversion,
}

/// What a function takes at one place.
#[derive(Debug)]
pub struct Parameter {
    pub name: &'static str,
    pub wants: Wants,
    pub presence: Presence,
    /// How far the function looks into the argument.
    pub sees: Sees,
    pub null: Null,
}

/// What an argument must be, or convert to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wants {
    Any,
    String,
    Number,
    /// A number without a fraction.
    Integer,
    Bool,
    /// A list or a set.
    List,
    Strings,
    Numbers,
    Bools,
    Object,
    /// A string, a list, a set or an object.
    Sized,
}

/// How far a function looks into an argument. What it does not look at may be unknown, or a
/// secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sees {
    /// Everything.
    All,
    /// Everything but what stands in a secret, which it puts into a text.
    Text,
    /// What kind it is, how many entries it has and their keys; it moves the entries.
    Shape,
    /// Nothing, or it asks itself.
    Nothing,
}

/// Whether an argument may be null.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Null {
    Refused,
    Taken,
}

/// What a function comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Any,
    String,
    Number,
    Bool,
    List,
    Strings,
    Set,
    Object,
}

/// Why a call comes to nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub code: Code,
    /// Which argument is at fault, from 0.
    pub argument: Option<usize>,
    pub message: String,
    pub hint: Option<String>,
}

/// Every function, by name.
#[rustfmt::skip]
pub static FUNCTIONS: &[Function] = &[
    number::ABS, logic::ALLTRUE, logic::ANYTRUE,
    encoding::BASE64DECODE, encoding::BASE64ENCODE,
    number::CEIL, substring::CHOMP, sequence::CHUNKLIST, coalesce::COALESCE, coalesce::COALESCELIST,
    collection::COMPACT, collection::CONCAT, collection::CONTAINS, csv::CSVDECODE,
    collection::DISTINCT,
    sequence::ELEMENT, string::ENDSWITH,
    collection::FLATTEN, number::FLOOR, format::FORMAT, format::FORMATLIST,
    substring::INDENT, collection::INDEX,
    string::JOIN, json::JSONDECODE, json::JSONENCODE,
    object::KEYS,
    collection::LENGTH, number::LOG, object::LOOKUP, string::LOWER,
    object::MATCHKEYS, number::MAX, encoding::MD5, object::MERGE, number::MIN,
    logic::ONE,
    number::PARSEINT, number::POW,
    range::RANGE, pattern::REGEX, pattern::REGEXALL, pattern::REPLACE, sequence::REVERSE,
    set::SETINTERSECTION, set::SETPRODUCT, set::SETSUBTRACT, set::SETUNION, encoding::SHA256,
    number::SIGNUM, sequence::SLICE, collection::SORT, string::SPLIT, string::STARTSWITH,
    string::STRCONTAINS, substring::STRREV, substring::SUBSTR, number::SUM,
    string::TITLE, convert::TOBOOL, convert::TOLIST, convert::TOMAP, convert::TONUMBER,
    convert::TOSET, convert::TOSTRING, object::TRANSPOSE, string::TRIM, string::TRIMPREFIX,
    string::TRIMSPACE, string::TRIMSUFFIX,
    string::UPPER, encoding::URLENCODE,
    object::VALUES,
    yaml::YAMLDECODE,
    object::ZIPMAP,
];

/// How much a function that makes each of its parts anew costs for one of them.
pub const HEAVY: usize = 8;

/// How much a function costs for each part that it goes through, in steps: measured, so that the
/// steps of a root last a few seconds whatever they are spent on.
pub fn weight(name: &str) -> usize {
    match name {
        "contains" | "element" | "index" | "length" | "lookup" | "range" | "slice" | "keys"
        | "values" | "alltrue" | "anytrue" | "regex" | "regexall" => 1,
        "csvdecode" | "distinct" | "formatlist" | "jsondecode" | "merge" | "replace"
        | "setproduct" | "transpose" | "yamldecode" => HEAVY,
        _ => 4,
    }
}

/// The function of a name.
pub fn function(name: &str) -> Option<&'static Function> {
    let at = FUNCTIONS.binary_search_by(|f| f.name.cmp(name)).ok()?;
    FUNCTIONS.get(at)
}

/// What a call comes to. Checks how many arguments there are and what they are, converting
/// between strings, numbers and bools as HCL does. An invalid argument gives an invalid
/// result, an unknown one that the function looks at an unknown result.
pub fn call(function: &'static Function, args: &[Node], span: Span) -> Result<Value, Failure> {
    fit::count(function, args.len())?;
    if args.iter().any(|node| matches!(node.value, Value::Invalid)) {
        return Ok(Value::Invalid);
    }
    let mut fitted = Vec::with_capacity(args.len());
    let mut seen = fit::Seen::default();
    for (at, node) in args.iter().enumerate() {
        let Some(parameter) = function.parameter(at) else {
            continue;
        };
        let node = fit::fit(function, parameter, node).map_err(|failure| failure.at(at))?;
        fit::look(function, parameter, &node, &mut seen).map_err(|failure| failure.at(at))?;
        fitted.push(node);
    }
    if seen.invalid {
        return Ok(Value::Invalid);
    }
    if seen.unknown {
        return Ok(Value::Unknown(function.result.unknown()));
    }
    let value = (function.call)(&fitted, span)?;
    limits::check(&value)?;
    Ok(value)
}

impl Function {
    /// What it takes at a place.
    pub fn parameter(&self, at: usize) -> Option<&Parameter> {
        self.parameters.get(at).or(self.rest.as_ref())
    }

    /// How it is called: `lookup(object, key, default?)`, `max(numbers...)`.
    pub fn signature(&self) -> String {
        let mut names: Vec<String> = Vec::new();
        for parameter in self.parameters {
            let mark = match parameter.presence {
                Presence::Required => "",
                Presence::Optional => "?",
            };
            names.push(format!("{}{mark}", parameter.name));
        }
        names.extend(self.rest.iter().map(|rest| format!("{}...", rest.name)));
        format!("{}({})", self.name, names.join(", "))
    }
}

impl Parameter {
    const fn new(name: &'static str, wants: Wants) -> Self {
        let (presence, sees, null) = (Presence::Required, Sees::All, Null::Refused);
        Self {
            name,
            wants,
            presence,
            sees,
            null,
        }
    }

    const fn sees(mut self, sees: Sees) -> Self {
        self.sees = sees;
        self
    }

    const fn or_null(mut self) -> Self {
        self.null = Null::Taken;
        self
    }

    const fn optional(mut self) -> Self {
        self.presence = Presence::Optional;
        self
    }
}

impl Kind {
    /// The type of a result that is not known yet.
    pub fn unknown(self) -> Type {
        match self {
            Self::Any => Type::Any,
            Self::String => Type::String,
            Self::Number => Type::Number,
            Self::Bool => Type::Bool,
            Self::List => Type::List(Box::new(Type::Any)),
            Self::Strings => Type::List(Box::new(Type::String)),
            Self::Set => Type::Set(Box::new(Type::Any)),
            Self::Object => Type::Map(Box::new(Type::Any)),
        }
    }
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self {
            code: Code::FunctionFailed,
            argument: None,
            message: message.into(),
            hint: None,
        }
    }

    fn at(mut self, argument: usize) -> Self {
        self.argument.get_or_insert(argument);
        self
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
