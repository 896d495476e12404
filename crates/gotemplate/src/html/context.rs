//! Where in a document a piece of a template stands.

use std::fmt;

/// What goes wrong while escaping: the reason, and where as far as known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub place: Option<String>,
    pub line: usize,
    pub message: String,
}

impl Problem {
    pub(super) fn new(message: String) -> Box<Problem> {
        Box::new(Problem { place: None, line: 0, message })
    }
}

/// Named as Go names them, because errors show them.
#[allow(clippy::upper_case_acronyms)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Text,
    Tag,
    AttrName,
    AfterName,
    BeforeValue,
    HTMLCmt,
    RCDATA,
    Attr,
    URL,
    Srcset,
    JS,
    JSDqStr,
    JSSqStr,
    JSTmplLit,
    JSRegexp,
    JSBlockCmt,
    JSLineCmt,
    JSHTMLOpenCmt,
    JSHTMLCloseCmt,
    CSS,
    CSSDqStr,
    CSSSqStr,
    CSSDqURL,
    CSSSqURL,
    CSSURL,
    CSSBlockCmt,
    CSSLineCmt,
    MetaContent,
    MetaContentURL,
    Error,
    Dead,
}

impl State {
    pub(super) fn is_comment(self) -> bool {
        matches!(
            self,
            State::HTMLCmt
                | State::JSBlockCmt
                | State::JSLineCmt
                | State::JSHTMLOpenCmt
                | State::JSHTMLCloseCmt
                | State::CSSBlockCmt
                | State::CSSLineCmt
        )
    }

    pub(super) fn is_in_tag(self) -> bool {
        matches!(self, State::Tag | State::AttrName | State::AfterName | State::BeforeValue | State::Attr)
    }

    pub(super) fn is_in_script_literal(self) -> bool {
        matches!(self, State::JSDqStr | State::JSSqStr | State::JSTmplLit | State::JSRegexp)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delim {
    None,
    DoubleQuote,
    SingleQuote,
    SpaceOrTagEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UrlPart {
    None,
    PreQuery,
    QueryOrFrag,
    Unknown,
}

/// Whether a slash starts a regular expression or divides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JsCtx {
    Regexp,
    DivOp,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    None,
    Script,
    Style,
    Textarea,
    Title,
    Meta,
}

#[allow(clippy::upper_case_acronyms)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attr {
    None,
    Script,
    ScriptType,
    Style,
    URL,
    Srcset,
    MetaContent,
}

/// The state of an HTML parser when it reaches some place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Context {
    pub state: State,
    pub delim: Delim,
    pub url_part: UrlPart,
    pub js_ctx: JsCtx,
    /// Open braces in each `${` of the template literals around.
    pub js_braces: Vec<i32>,
    pub attr: Attr,
    pub element: Element,
    pub problem: Option<Box<Problem>>,
}

impl Context {
    /// The start of a document fragment.
    pub(super) const START: Context = Context {
        state: State::Text,
        delim: Delim::None,
        url_part: UrlPart::None,
        js_ctx: JsCtx::Regexp,
        js_braces: Vec::new(),
        attr: Attr::None,
        element: Element::None,
        problem: None,
    };

    pub(super) fn in_state(state: State) -> Context {
        Context { state, ..Context::START }
    }

    pub(super) fn failed(message: String) -> Context {
        Context { state: State::Error, problem: Some(Problem::new(message)), ..Context::START }
    }

    /// The name of a copy of a template for this context.
    pub(super) fn mangle(&self, name: &str) -> String {
        if self.state == State::Text {
            return name.to_owned();
        }
        let mut out = format!("{name}$htmltemplate_state{:?}", self.state);
        if self.delim != Delim::None {
            out.push_str(&format!("_delim{:?}", self.delim));
        }
        if self.url_part != UrlPart::None {
            out.push_str(&format!("_urlPart{:?}", self.url_part));
        }
        if self.js_ctx != JsCtx::Regexp {
            out.push_str(&format!("_jsCtx{:?}", self.js_ctx));
        }
        if !self.js_braces.is_empty() {
            out.push_str(&format!("_jsBraceDepth({:?})", self.js_braces));
        }
        if self.attr != Attr::None {
            out.push_str(&format!("_attr{:?}", self.attr));
        }
        if self.element != Element::None {
            out.push_str(&format!("_element{:?}", self.element));
        }
        out
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{{state{:?} delim{:?} urlPart{:?} jsCtx{:?} {:?} attr{:?} element{:?} <nil>}}",
            self.state, self.delim, self.url_part, self.js_ctx, self.js_braces, self.attr, self.element
        )
    }
}
