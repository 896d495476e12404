//! Log queries: a selector and the stages of a pipeline.

use model::Matcher;

use crate::kql::Kql;

/// A stream selector with the stages that lines go through.
#[derive(Clone, Debug, PartialEq)]
pub struct LogExpr {
    /// All must match the labels of the stream.
    pub matchers: Vec<Matcher>,
    /// Stages in the order in which they are written.
    pub stages: Vec<Stage>,
}

/// One stage of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// `|= "a" or "b"`
    LineFilter(LineFilter),
    /// `| json`
    Json,
    /// `| kql "..."`: a search in Kibana's language. Not in Loki.
    Search(Kql),
    /// `| json x="a.b"`
    JsonPaths(Vec<Extraction>),
    /// `| logfmt`
    Logfmt {
        /// `--strict`
        strict: bool,
        /// `--keep-empty`
        keep_empty: bool,
    },
    /// `| logfmt x="a"`
    LogfmtKeys {
        /// `--strict`
        strict: bool,
        /// `--keep-empty`
        keep_empty: bool,
        /// What is taken under which name.
        extractions: Vec<Extraction>,
    },
    /// `| regexp "(?P<a>x)"`
    Regexp(String),
    /// `| pattern "<a> <b>"`
    Pattern(String),
    /// `| unpack`
    Unpack,
    /// `| a > 5`
    LabelFilter(LabelFilter),
    /// `| line_format "{{.a}}"`
    LineFormat(String),
    /// `| label_format a=b`
    LabelFormat(Vec<LabelFormat>),
    /// `| decolorize`
    Decolorize,
    /// `| drop a, b="c"`
    Drop(Vec<LabelChoice>),
    /// `| keep a, b="c"`
    Keep(Vec<LabelChoice>),
}

/// How a line filter compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineOp {
    /// `|=`
    Contains,
    /// `!=`
    NotContains,
    /// `|~`
    Regex,
    /// `!~`
    NotRegex,
    /// `|>`
    Pattern,
    /// `!>`
    NotPattern,
}

impl LineOp {
    /// The operator as written.
    pub fn as_str(self) -> &'static str {
        match self {
            LineOp::Contains => "|=",
            LineOp::NotContains => "!=",
            LineOp::Regex => "|~",
            LineOp::NotRegex => "!~",
            LineOp::Pattern => "|>",
            LineOp::NotPattern => "!>",
        }
    }

    /// True where lines that match are left out.
    pub fn is_negated(self) -> bool {
        matches!(self, LineOp::NotContains | LineOp::NotRegex | LineOp::NotPattern)
    }
}

/// Lines that match one of several texts. A negated filter has one: `!= "a" or "b"` is `!= "a" != "b"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFilter {
    /// Comparison.
    pub op: LineOp,
    /// At least one.
    pub alternatives: Vec<LineMatch>,
}

/// What a line filter looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineMatch {
    /// `ip("...")`: an address in the line.
    pub is_ip: bool,
    /// The text, expression or pattern.
    pub text: String,
}

/// What is taken from a line as a label: `name="expression"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extraction {
    /// The label.
    pub name: String,
    /// Where to find it; the name itself where none is written.
    pub expression: String,
}

/// How a label filter compares numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `==` or `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
}

impl Comparison {
    /// The operator in canonical form.
    pub fn as_str(self) -> &'static str {
        match self {
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
        }
    }

    /// The comparison of two values.
    pub fn holds<T: PartialOrd>(self, left: T, right: T) -> bool {
        match self {
            Comparison::Equal => left == right,
            Comparison::NotEqual => left != right,
            Comparison::Greater => left > right,
            Comparison::GreaterOrEqual => left >= right,
            Comparison::Less => left < right,
            Comparison::LessOrEqual => left <= right,
        }
    }
}

/// A condition on labels.
#[derive(Clone, Debug, PartialEq)]
pub enum LabelFilter {
    /// `a="b"`, `a=~"b"`
    Text(Matcher),
    /// `a > 5`
    Number(String, Comparison, f64),
    /// `a > 5s`, in nanoseconds.
    Duration(String, Comparison, i64),
    /// `a > 5KB`
    Bytes(String, Comparison, u64),
    /// `a = ip("10.0.0.0/8")`
    Ip {
        /// The label.
        name: String,
        /// `!=`
        negated: bool,
        /// Address, prefix or range.
        pattern: String,
    },
    /// Both.
    And(Box<LabelFilter>, Box<LabelFilter>),
    /// One of them.
    Or(Box<LabelFilter>, Box<LabelFilter>),
}

impl LabelFilter {
    /// Calls `visit` with each label that is looked at.
    pub fn names<'a>(&'a self, visit: &mut impl FnMut(&'a str)) {
        match self {
            LabelFilter::Text(matcher) => visit(&matcher.name),
            LabelFilter::Number(name, ..)
            | LabelFilter::Duration(name, ..)
            | LabelFilter::Bytes(name, ..)
            | LabelFilter::Ip { name, .. } => visit(name),
            LabelFilter::And(left, right) | LabelFilter::Or(left, right) => {
                left.names(visit);
                right.names(visit);
            }
        }
    }
}

/// One assignment of `label_format`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelFormat {
    /// The label that is set.
    pub name: String,
    /// What it becomes.
    pub value: LabelFormatValue,
}

/// What a label becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelFormatValue {
    /// Another label, which goes away.
    Rename(String),
    /// A template.
    Template(String),
}

/// A label, or a label with a value, in `drop` and `keep`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelChoice {
    /// By name.
    Name(String),
    /// By name and value.
    Matcher(Matcher),
}
