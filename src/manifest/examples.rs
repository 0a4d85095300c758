//! For each kind of problem a text that has it and one that is mended: for the page of
//! diagnostics, and for the test that holds the two against the compiler.

use crate::manifest::diagnostic::Code;

/// A problem and how it is mended.
#[derive(Debug)]
pub struct Example {
    pub code: Code,
    /// A file of a root that is called `shop`, or what is wrong with the file as a whole.
    pub bad: Bad,
    /// The same file without the problem.
    pub good: &'static str,
}

/// What has the problem.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bad {
    Text(&'static str),
    /// Not something that a text can show.
    Described(&'static str),
}

const fn text(code: Code, bad: &'static str, good: &'static str) -> Example {
    Example {
        code,
        bad: Bad::Text(bad),
        good,
    }
}

const fn described(code: Code, bad: &'static str, good: &'static str) -> Example {
    Example {
        code,
        bad: Bad::Described(bad),
        good,
    }
}

/// A check that nothing is to be said about.
const FINE: &str = r#"check "web" {
  url         = "https://example.com/"
  webhook_url = "https://hooks.example.com/web"
}
"#;

/// One for each code, in the order of the codes.
pub static EXAMPLES: &[Example] = &[
    described(
        Code::Unreadable,
        "A file that only somebody else may read, a folder that cannot be opened, a link that leads nowhere.",
        FINE,
    ),
    described(
        Code::FileTooLarge,
        "A file of more than 1 MiB. Split it.",
        FINE,
    ),
    described(
        Code::NotUtf8,
        "A file in another encoding, Latin-1 for one.",
        FINE,
    ),
    described(
        Code::TooMuch,
        "More than 256 MiB of files in one root, or more than 10,000 problems.",
        FINE,
    ),
    text(
        Code::Syntax,
        "check \"web\" {\n  url = http://example.com/\n}\n",
        "check \"web\" {\n  url = \"http://example.com/\"\n}\n",
    ),
    text(
        Code::OpenString,
        "check \"web\" {\n  url = \"https://example.com/\n}\n",
        "check \"web\" {\n  url = \"https://example.com/\"\n}\n",
    ),
    text(
        Code::OpenBracket,
        "check \"web\" {\n  url    = \"https://example.com/\"\n  labels = { team = \"web\"\n}\n",
        "check \"web\" {\n  url    = \"https://example.com/\"\n  labels = { team = \"web\" }\n}\n",
    ),
    text(
        Code::TooDeep,
        "locals {\n  x = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n}\n",
        "locals {\n  x = [[1]]\n}\n",
    ),
    text(
        Code::Repeated,
        "check \"web\" {\n  url   = \"https://example.com/\"\n  every = \"30s\"\n  every = \"60s\"\n}\n",
        "check \"web\" {\n  url   = \"https://example.com/\"\n  every = \"60s\"\n}\n",
    ),
    described(
        Code::NoProject,
        "A folder without a `lokahi` block in any of its files.",
        FINE,
    ),
    text(
        Code::UnknownBlock,
        "chekc \"web\" {\n  url = \"https://example.com/\"\n}\n",
        "check \"web\" {\n  url = \"https://example.com/\"\n}\n",
    ),
    text(
        Code::UnknownAttribute,
        "check \"web\" {\n  url     = \"https://example.com/\"\n  tiemout = \"5s\"\n}\n",
        "check \"web\" {\n  url     = \"https://example.com/\"\n  timeout = \"5s\"\n}\n",
    ),
    text(
        Code::WrongShape,
        "check \"web\" {\n  url     = \"https://example.com/\"\n  confirm = 3\n}\n",
        "check \"web\" {\n  url = \"https://example.com/\"\n\n  confirm {\n    failures = 3\n  }\n}\n",
    ),
    text(
        Code::WrongLabels,
        "check {\n  url = \"https://example.com/\"\n}\n",
        "check \"web\" {\n  url = \"https://example.com/\"\n}\n",
    ),
    text(
        Code::InvalidName,
        "check \"Home Page\" {\n  url = \"https://example.com/\"\n}\n",
        "check \"home_page\" {\n  url = \"https://example.com/\"\n}\n",
    ),
    text(
        Code::DeclaredTwice,
        "check \"web\" {\n  url = \"https://example.com/\"\n}\n\ncheck \"web\" {\n  url = \"https://example.org/\"\n}\n",
        "check \"web\" {\n  url = \"https://example.com/\"\n}\n\ncheck \"other_web\" {\n  url = \"https://example.org/\"\n}\n",
    ),
    text(
        Code::Missing,
        "check \"web\" {\n  every = \"30s\"\n}\n",
        "check \"web\" {\n  url   = \"https://example.com/\"\n  every = \"30s\"\n}\n",
    ),
    text(
        Code::WrongType,
        "check \"web\" {\n  url    = \"https://example.com/\"\n  labels = [\"web\"]\n}\n",
        "check \"web\" {\n  url    = \"https://example.com/\"\n  labels = { team = \"web\" }\n}\n",
    ),
    text(
        Code::OutOfBounds,
        "check \"web\" {\n  url   = \"https://example.com/\"\n  every = \"31d\"\n}\n",
        "check \"web\" {\n  url   = \"https://example.com/\"\n  every = \"30d\"\n}\n",
    ),
    text(
        Code::InvalidValue,
        "check \"web\" {\n  url = \"example.com\"\n}\n",
        "check \"web\" {\n  url = \"https://example.com\"\n}\n",
    ),
    text(
        Code::InvalidDuration,
        "check \"web\" {\n  url   = \"https://example.com/\"\n  every = 60\n}\n",
        "check \"web\" {\n  url   = \"https://example.com/\"\n  every = \"60s\"\n}\n",
    ),
    text(
        Code::UnknownChoice,
        "check \"web\" {\n  url    = \"https://example.com/\"\n  method = \"get\"\n}\n",
        "check \"web\" {\n  url    = \"https://example.com/\"\n  method = \"GET\"\n}\n",
    ),
    text(
        Code::NotLiteral,
        "variable \"env\" {\n  description = \"which ${upper(\"one\")}\"\n}\n",
        "variable \"env\" {\n  description = \"which one\"\n}\n",
    ),
    text(
        Code::UnknownReference,
        "locals {\n  domain = \"example.com\"\n}\n\ncheck \"web\" {\n  url = \"https://${local.domian}/\"\n}\n",
        "locals {\n  domain = \"example.com\"\n}\n\ncheck \"web\" {\n  url = \"https://${local.domain}/\"\n}\n",
    ),
    text(
        Code::Contradiction,
        "check \"web\" {\n  url     = \"https://example.com/\"\n  every   = \"5s\"\n  timeout = \"10s\"\n}\n",
        "check \"web\" {\n  url     = \"https://example.com/\"\n  every   = \"5s\"\n  timeout = \"4s\"\n}\n",
    ),
    text(
        Code::InvalidPattern,
        "check \"web\" {\n  url = \"https://example.com/\"\n\n  assert {\n    body_matches = [\"(\"]\n  }\n}\n",
        "check \"web\" {\n  url = \"https://example.com/\"\n\n  assert {\n    body_matches = [\"[(]\"]\n  }\n}\n",
    ),
    text(
        Code::UnknownFunction,
        "locals {\n  host = uper(\"web\")\n}\n",
        "locals {\n  host = upper(\"web\")\n}\n",
    ),
    text(
        Code::WrongArguments,
        "locals {\n  token = secret()\n}\n",
        "locals {\n  token = secret(\"token\")\n}\n",
    ),
    text(
        Code::FunctionFailed,
        "locals {\n  settings = jsondecode(\"{\")\n}\n",
        "locals {\n  settings = jsondecode(\"{}\")\n}\n",
    ),
    text(
        Code::WrongOperand,
        "locals {\n  host = \"web\" + 1\n}\n",
        "locals {\n  host = \"web${1}\"\n}\n",
    ),
    text(
        Code::Arithmetic,
        "locals {\n  share = 100 % 0\n}\n",
        "locals {\n  share = 100 % 3\n}\n",
    ),
    text(
        Code::MissingKey,
        "locals {\n  ports = { web = 443 }\n  port  = local.ports.wbe\n}\n",
        "locals {\n  ports = { web = 443 }\n  port  = local.ports.web\n}\n",
    ),
    text(
        Code::TooMuchWork,
        "locals {\n  all = [for a in range(9000) : [for b in range(9000) : a * b]]\n}\n",
        "locals {\n  all = [for a in range(20) : [for b in range(20) : a * b]]\n}\n",
    ),
    text(
        Code::Cycle,
        "locals {\n  a = local.b\n  b = local.a\n}\n",
        "locals {\n  a = local.b\n  b = 1\n}\n",
    ),
    text(
        Code::Misplaced,
        "check \"web\" {\n  url = \"https://${each.key}.example.com/\"\n}\n",
        "check \"web\" {\n  for_each = toset([\"eu\", \"us\"])\n  url      = \"https://${each.key}.example.com/\"\n}\n",
    ),
    text(
        Code::SecretMisplaced,
        "check \"web\" {\n  url = \"https://example.com/?token=${secret(\"web-token\")}\"\n}\n",
        "check \"web\" {\n  url     = \"https://example.com/\"\n  headers = { authorization = \"Bearer ${secret(\"web-token\")}\" }\n}\n",
    ),
    text(
        Code::SensitiveMisplaced,
        "variable \"token\" {\n  default   = \"abc\"\n  sensitive = true\n}\n\ncheck \"web\" {\n  url     = \"https://example.com/\"\n  headers = { authorization = var.token }\n}\n",
        "check \"web\" {\n  url     = \"https://example.com/\"\n  headers = { authorization = secret(\"token\") }\n}\n",
    ),
    text(
        Code::EnvRefused,
        "variable \"home\" {\n  default = env(\"HOME\")\n}\n",
        "variable \"home\" {\n  default = env(\"LOKAHI_HOME\", \"/\")\n}\n",
    ),
    described(
        Code::NoValue,
        "A variable without `default`, in `apply`, `render` or a server that reconciles. `validate` goes on without it.",
        "variable \"env\" {\n  default = \"prod\"\n}\n",
    ),
    text(
        Code::RuleBroken,
        "variable \"env\" {\n  default = \"porduction\"\n\n  validation {\n    condition     = contains([\"production\", \"test\"], var.env)\n    error_message = \"The environment is production or test.\"\n  }\n}\n",
        "variable \"env\" {\n  default = \"production\"\n\n  validation {\n    condition     = contains([\"production\", \"test\"], var.env)\n    error_message = \"The environment is production or test.\"\n  }\n}\n",
    ),
    described(
        Code::UndeclaredVariable,
        "`--var evn=prod`, where the variable is called `env`.",
        "variable \"env\" {\n  default = \"prod\"\n}\n",
    ),
    text(
        Code::InvalidType,
        "variable \"hosts\" {\n  type    = list\n  default = []\n}\n",
        "variable \"hosts\" {\n  type    = list(string)\n  default = []\n}\n",
    ),
    text(
        Code::InvalidForEach,
        "check \"web\" {\n  for_each = [\"eu\", \"us\"]\n  url      = \"https://${each.key}.example.com/\"\n}\n",
        "check \"web\" {\n  for_each = toset([\"eu\", \"us\"])\n  url      = \"https://${each.key}.example.com/\"\n}\n",
    ),
    described(
        Code::InvalidInclude,
        "`include = [\"../shared\"]` where there is no such folder, or where it holds checks.",
        FINE,
    ),
    described(
        Code::WrongVersion,
        "`required_version = \">= 9\"` in the `lokahi` block, and an older lokahi.",
        FINE,
    ),
    text(
        Code::InvalidMove,
        "check \"web\" {\n  url = \"https://example.com/\"\n}\n\nmoved {\n  from = check.web\n  to   = check.site\n}\n",
        "check \"site\" {\n  url = \"https://example.com/\"\n}\n\nmoved {\n  from = check.web\n  to   = check.site\n}\n",
    ),
    text(
        Code::PlainHttp,
        "check \"web\" {\n  url         = \"http://example.com/\"\n  webhook_url = \"https://hooks.example.com/web\"\n}\n",
        FINE,
    ),
    text(
        Code::NeverHolds,
        "check \"web\" {\n  url         = \"https://example.com/\"\n  webhook_url = \"https://hooks.example.com/web\"\n\n  assert \"ready\" {\n    condition = response.status == \"200\"\n  }\n}\n",
        "check \"web\" {\n  url         = \"https://example.com/\"\n  webhook_url = \"https://hooks.example.com/web\"\n\n  assert \"ready\" {\n    condition = response.status == 200\n  }\n}\n",
    ),
    text(
        Code::Unused,
        "locals {\n  domain = \"example.com\"\n}\n",
        "locals {\n  domain = \"example.com\"\n}\n\ncheck \"web\" {\n  url         = \"https://${local.domain}/\"\n  webhook_url = \"https://hooks.example.com/web\"\n}\n",
    ),
    text(
        Code::DuplicateUrl,
        "defaults {\n  webhook_url = \"https://hooks.example.com/web\"\n}\n\ncheck \"web\" {\n  url = \"https://example.com/\"\n}\n\ncheck \"page\" {\n  url = \"https://example.com/\"\n}\n",
        "defaults {\n  webhook_url = \"https://hooks.example.com/web\"\n}\n\ncheck \"web\" {\n  url = \"https://example.com/\"\n}\n\ncheck \"page\" {\n  url = \"https://example.com/page\"\n}\n",
    ),
    text(
        Code::SecretLike,
        "check \"web\" {\n  url         = \"https://example.com/\"\n  webhook_url = \"https://hooks.example.com/web\"\n  headers     = { authorization = \"Bearer 83f1c2a4c5\" }\n}\n",
        "check \"web\" {\n  url         = \"https://example.com/\"\n  webhook_url = \"https://hooks.example.com/web\"\n  headers     = { authorization = \"Bearer ${secret(\"web-token\")}\" }\n}\n",
    ),
    text(
        Code::NobodyNotified,
        "check \"web\" {\n  url = \"https://example.com/\"\n}\n",
        FINE,
    ),
    text(
        Code::TooFrequent,
        "check \"web\" {\n  for_each    = toset([for n in range(11) : tostring(n)])\n  url         = \"https://example.com/${each.key}\"\n  every       = \"1s\"\n  webhook_url = \"https://hooks.example.com/web\"\n}\n",
        "check \"web\" {\n  for_each    = toset([for n in range(11) : tostring(n)])\n  url         = \"https://example.com/${each.key}\"\n  every       = \"30s\"\n  webhook_url = \"https://hooks.example.com/web\"\n}\n",
    ),
    text(
        Code::AlwaysHolds,
        "check \"web\" {\n  url         = \"https://example.com/\"\n  timeout     = \"5s\"\n  webhook_url = \"https://hooks.example.com/web\"\n\n  assert {\n    max_latency = \"8s\"\n  }\n}\n",
        "check \"web\" {\n  url         = \"https://example.com/\"\n  timeout     = \"5s\"\n  webhook_url = \"https://hooks.example.com/web\"\n\n  assert {\n    max_latency = \"2s\"\n  }\n}\n",
    ),
    text(
        Code::UselessSuppression,
        "check \"web\" {\n  # lokahi-ignore: LK0901 it redirects\n  url         = \"https://example.com/\"\n  webhook_url = \"https://hooks.example.com/web\"\n}\n",
        "check \"web\" {\n  # lokahi-ignore: LK0901 it redirects\n  url         = \"http://example.com/\"\n  webhook_url = \"https://hooks.example.com/web\"\n}\n",
    ),
    described(
        Code::Stray,
        "`checks.d/old/web.hcl`, where `checks.d/shop` and `checks.d/blog` are roots and neither includes `../old`.",
        FINE,
    ),
    text(
        Code::MeansNoCheck,
        "check \"web\" {\n  url         = \"https://example.com/\"\n  webhook_url = \"https://hooks.example.com/web\"\n}\n\nmaintenance \"backup\" {\n  cron     = \"0 3 * * *\"\n  duration = \"1h\"\n  timezone = \"Europe/Berlin\"\n\n  match {\n    names = [\"wep\"]\n  }\n}\n",
        "check \"web\" {\n  url         = \"https://example.com/\"\n  webhook_url = \"https://hooks.example.com/web\"\n}\n\nmaintenance \"backup\" {\n  cron     = \"0 3 * * *\"\n  duration = \"1h\"\n  timezone = \"Europe/Berlin\"\n\n  match {\n    names = [\"web\"]\n  }\n}\n",
    ),
    text(
        Code::NeverReused,
        "check \"web\" {\n  url              = \"https://example.com/\"\n  every            = \"10m\"\n  reuse_connection = true\n  webhook_url      = \"https://hooks.example.com/web\"\n}\n",
        "check \"web\" {\n  url              = \"https://example.com/\"\n  every            = \"1m\"\n  reuse_connection = true\n  webhook_url      = \"https://hooks.example.com/web\"\n}\n",
    ),
    text(
        Code::NeverGrouped,
        "check \"web\" {\n  url         = \"https://example.com/\"\n  webhook_url = \"https://hooks.example.com/web\"\n\n  notify {\n    group_wait = \"10s\"\n  }\n}\n",
        "check \"web\" {\n  url         = \"https://example.com/\"\n  webhook_url = \"https://hooks.example.com/web\"\n\n  notify {\n    group_by   = [\"team\"]\n    group_wait = \"10s\"\n  }\n}\n",
    ),
];
