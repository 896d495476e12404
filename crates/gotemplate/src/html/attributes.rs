//! What kind of value an attribute takes, by its name.

/// The kind of content that a value is, or that a place asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Plain,
    Css,
    Html,
    HtmlAttr,
    Js,
    JsStr,
    Url,
    Srcset,
    /// Changes how the document itself is read, such as `type` or `charset`.
    Unsafe,
}

const URLS: [&str; 17] = [
    "action",
    "archive",
    "background",
    "cite",
    "classid",
    "codebase",
    "data",
    "formaction",
    "href",
    "icon",
    "longdesc",
    "manifest",
    "poster",
    "profile",
    "src",
    "usemap",
    "xmlns",
];

const UNSAFE: [&str; 21] = [
    "accept-charset",
    "async",
    "challenge",
    "charset",
    "content",
    "crossorigin",
    "defer",
    "enctype",
    "form",
    "formenctype",
    "formmethod",
    "formnovalidate",
    "http-equiv",
    "keytype",
    "language",
    "method",
    "novalidate",
    "pattern",
    "rel",
    "sandbox",
    "type",
];

const PLAIN: [&str; 65] = [
    "accept",
    "alt",
    "autocomplete",
    "autofocus",
    "autoplay",
    "border",
    "checked",
    "class",
    "cols",
    "colspan",
    "contenteditable",
    "contextmenu",
    "controls",
    "coords",
    "datetime",
    "default",
    "dir",
    "dirname",
    "disabled",
    "draggable",
    "dropzone",
    "for",
    "formtarget",
    "headers",
    "height",
    "hidden",
    "high",
    "hreflang",
    "id",
    "ismap",
    "kind",
    "label",
    "lang",
    "list",
    "loop",
    "low",
    "max",
    "maxlength",
    "media",
    "mediagroup",
    "min",
    "multiple",
    "name",
    "open",
    "optimum",
    "placeholder",
    "preload",
    "pubdate",
    "radiogroup",
    "readonly",
    "required",
    "reversed",
    "rows",
    "rowspan",
    "spellcheck",
    "scope",
    "scoped",
    "seamless",
    "selected",
    "shape",
    "size",
    "sizes",
    "span",
    "srclang",
    "start",
];

const PLAIN_MORE: [&str; 6] = ["step", "tabindex", "target", "title", "width", "wrap"];

/// The kind of an attribute; `name` is in lower case.
pub(super) fn attribute_content(name: &str) -> Content {
    let mut name = name;
    if let Some(custom) = name.strip_prefix("data-") {
        name = custom; // "data-action" is treated as "action"
    } else if let Some((prefix, short)) = name.split_once(':') {
        if prefix == "xmlns" {
            return Content::Url;
        }
        name = short; // "xlink:href" as "href"
    }
    match name {
        "style" => return Content::Css,
        "srcdoc" => return Content::Html,
        "srcset" => return Content::Srcset,
        "value" => return Content::Unsafe,
        _ if URLS.contains(&name) => return Content::Url,
        _ if UNSAFE.contains(&name) => return Content::Unsafe,
        _ if PLAIN.contains(&name) || PLAIN_MORE.contains(&name) => return Content::Plain,
        _ => {}
    }
    if name.starts_with("on") {
        return Content::Js;
    }
    // Custom attributes that hold URLs mostly say so.
    if ["src", "uri", "url"].iter().any(|hint| name.contains(hint)) {
        return Content::Url;
    }
    Content::Plain
}
