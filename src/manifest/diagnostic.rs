//! What is wrong with the files: stable codes, and where. `report` writes them.

use std::fmt;

use crate::manifest::source::{Excerpt, Sources, Span, whole_file};

/// How bad it is. A warning does not stop a plan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    Error,
    Warning,
}

impl Severity {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $id:literal,)*) => {
        /// The kinds of problem. A number keeps its meaning for ever.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Code {
            /// Every code, in the order of the numbers.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// `LK` and four digits.
            pub fn id(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)*
                }
            }

            /// What it means, in one sentence.
            pub fn about(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_ascii(),)*
                }
            }
        }
    };
}

codes! {
    /// A file, folder or link below the root cannot be read.
    Unreadable = "LK0101",
    /// A file is larger than 1 MiB.
    FileTooLarge = "LK0102",
    /// A file is not UTF-8 text.
    NotUtf8 = "LK0103",
    /// The files are more than can be looked at, or have more problems than can be listed.
    TooMuch = "LK0104",

    /// The text is not HCL.
    Syntax = "LK0201",
    /// A quoted string or a heredoc has no end, or a quoted string goes on in the next line.
    OpenString = "LK0202",
    /// A bracket or comment is never closed, or closed by another kind of bracket.
    OpenBracket = "LK0203",
    /// Brackets or choices are nested too deep, or an expression has too many operators.
    TooDeep = "LK0204",
    /// An attribute stands twice in a block, or a key twice in an object.
    Repeated = "LK0205",

    /// No file of the root has a `lokahi` block.
    NoProject = "LK0301",
    /// A block of this type is not known here.
    UnknownBlock = "LK0303",
    /// An attribute of this name is not known here.
    UnknownAttribute = "LK0304",
    /// A block is written as an attribute, or an attribute as a block.
    WrongShape = "LK0305",
    /// A block has too few or too many labels.
    WrongLabels = "LK0306",
    /// A label is not a name.
    InvalidName = "LK0307",
    /// Two blocks of one type have the same name, or a block that may stand once stands twice.
    DeclaredTwice = "LK0308",
    /// An attribute that is needed is missing.
    Missing = "LK0309",

    /// The value is of another type than the attribute.
    WrongType = "LK0401",
    /// The value is outside its bounds.
    OutOfBounds = "LK0402",
    /// The value is not what the attribute can hold.
    InvalidValue = "LK0403",
    /// A duration is not written as a number with a unit.
    InvalidDuration = "LK0404",
    /// The value is not one of those that can be chosen.
    UnknownChoice = "LK0405",
    /// An expression where only a literal value can stand.
    NotLiteral = "LK0406",
    /// A reference to something that is not declared.
    UnknownReference = "LK0407",
    /// Two attributes of a check contradict each other.
    Contradiction = "LK0408",
    /// A regular expression cannot be read, or would be too large.
    InvalidPattern = "LK0409",

    /// No function has this name.
    UnknownFunction = "LK0501",
    /// A function is called with too few, too many or wrong arguments.
    WrongArguments = "LK0502",
    /// A function cannot work with the values it was given.
    FunctionFailed = "LK0503",
    /// An operator, key, condition or string is given a value that it cannot work with.
    WrongOperand = "LK0504",
    /// A number is divided by zero, or a result is too large.
    Arithmetic = "LK0505",
    /// A list has no such element, or an object no such attribute.
    MissingKey = "LK0506",
    /// An expression takes too many steps, or its value is too large.
    TooMuchWork = "LK0507",
    /// Locals refer to each other in a circle, or checks suppress each other in one.
    Cycle = "LK0508",
    /// A name or function stands where it has no meaning.
    Misplaced = "LK0509",
    /// A secret stands where its value would have to be known or would be seen.
    SecretMisplaced = "LK0510",
    /// The value of a sensitive variable would be stored with a check.
    SensitiveMisplaced = "LK0511",
    /// An environment variable may not be read.
    EnvRefused = "LK0512",

    /// A variable has no value.
    NoValue = "LK0601",
    /// The value of a variable breaks one of its rules.
    RuleBroken = "LK0602",
    /// A value is given for a variable that is not declared.
    UndeclaredVariable = "LK0603",
    /// A type is not written as one.
    InvalidType = "LK0604",
    /// A `for_each` is neither a map nor a set of strings, or has entries or keys that cannot be.
    InvalidForEach = "LK0605",
    /// A library folder cannot be included, or holds what a library may not.
    InvalidInclude = "LK0606",
    /// This version of lokahi is not one that the files ask for.
    WrongVersion = "LK0607",
    /// A `moved`, `removed` or `import` block contradicts what is declared.
    InvalidMove = "LK0608",

    /// A site is asked over http that could be asked over https.
    PlainHttp = "LK0901",
    /// An assertion can never hold.
    NeverHolds = "LK0902",
    /// A local, variable, template or receiver is used by nothing.
    Unused = "LK0903",
    /// Two checks ask the same site the same question.
    DuplicateUrl = "LK0904",
    /// A text looks like a password or token.
    SecretLike = "LK0905",
    /// Nobody hears when the check goes down.
    NobodyNotified = "LK0906",
    /// Many checks ask one host every few seconds.
    TooFrequent = "LK0907",
    /// An assertion says nothing, because it always holds.
    AlwaysHolds = "LK0908",
    /// A comment suppresses a lint that was not found, or names none.
    UselessSuppression = "LK0909",
    /// A check file belongs to no root, so that nobody reads it.
    Stray = "LK0910",
    /// A maintenance means no check.
    MeansNoCheck = "LK0911",
    /// A check keeps a connection that no probe of it can use.
    NeverReused = "LK0912",
    /// Events wait for others with which they are not told.
    NeverGrouped = "LK0913",
}

impl Code {
    /// Lints warn; everything else is an error.
    pub fn severity(self) -> Severity {
        match self.id() >= "LK0900" {
            true => Severity::Warning,
            false => Severity::Error,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// A problem as it is found: by spans.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    pub code: Code,
    pub message: String,
    /// `None`: the root as a whole.
    pub span: Option<Span>,
    /// Other places that belong to it, each with a word on why.
    pub also: Vec<(Span, String)>,
    /// The names that went in, with their values.
    pub values: Vec<(String, String)>,
    pub hint: Option<String>,
}

impl Problem {
    /// A problem at a span.
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            span: Some(span),
            also: Vec::new(),
            values: Vec::new(),
            hint: None,
        }
    }

    /// With a name that went in, and its value.
    pub fn value(mut self, name: impl Into<String>, shown: impl Into<String>) -> Self {
        self.values.push((name.into(), shown.into()));
        self
    }

    /// With a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With a hint, if there is one.
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// With another place that belongs to it.
    pub fn also(mut self, span: Span, why: impl Into<String>) -> Self {
        self.also.push((span, why.into()));
        self
    }

    /// The same, with lines and columns instead of offsets.
    pub fn resolve(self, sources: &Sources) -> Diagnostic {
        Diagnostic {
            code: self.code,
            severity: self.code.severity(),
            message: self.message,
            at: self
                .span
                .map_or_else(|| whole_file(".".into()), |span| sources.excerpt(span)),
            also: self
                .also
                .into_iter()
                .map(|(span, why)| (sources.excerpt(span), why))
                .collect(),
            values: self.values,
            hint: self.hint,
        }
    }
}

/// A problem, for people and machines: complete without the files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    pub code: Code,
    pub severity: Severity,
    pub message: String,
    pub at: Excerpt,
    /// Other places that belong to it, each with a word on why.
    pub also: Vec<(Excerpt, String)>,
    /// The names that went in, with their values.
    pub values: Vec<(String, String)>,
    pub hint: Option<String>,
}

impl fmt::Display for Diagnostic {
    /// One line, for logs and API errors.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = &self.at;
        match at.line {
            0 => write!(f, "{}: ", at.file)?,
            line => write!(f, "{}:{line}:{}: ", at.file, at.column)?,
        }
        write!(
            f,
            "{}[{}]: {}",
            self.severity.name(),
            self.code,
            self.message
        )
    }
}

/// Every problem of a root, by file, line and column. Never empty as an error.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// The most problems that are listed.
    pub const MAX: usize = 10_000;

    /// Sorts problems and leaves out repetitions: what a `defaults` block says
    /// wrongly would else be told for each check below it.
    pub fn sorted(mut list: Vec<Diagnostic>) -> Self {
        list.sort_by(|a, b| (&a.at, a.code, &a.message).cmp(&(&b.at, b.code, &b.message)));
        list.dedup_by(|a, b| a.at.line != 0 && a.at == b.at && a.code == b.code);
        Self(list)
    }
}

impl Diagnostics {
    /// The first error, and how many there are; without any the first problem, and so on: beside
    /// an error nobody looks for warnings.
    fn first(&self) -> (Option<&Diagnostic>, usize) {
        let errors = self.0.iter();
        let mut errors = errors.filter(|problem| problem.severity == Severity::Error);
        match errors.next() {
            Some(first) => (Some(first), 1 + errors.count()),
            None => (self.0.first(), self.0.len()),
        }
    }

    /// How the problem is mended that is shown, as far as that is known.
    pub fn hint(&self) -> Option<&str> {
        self.first().0?.hint.as_deref()
    }
}

impl fmt::Display for Diagnostics {
    /// The first problem, and the number of the other ones.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first() {
            (None, _) => f.write_str("no problems"),
            (Some(first), 1) => first.fmt(f),
            (Some(first), count) => write!(f, "{first} (and {} more)", count - 1),
        }
    }
}

impl std::error::Error for Diagnostics {}
