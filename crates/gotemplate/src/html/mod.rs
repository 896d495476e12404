//! Contextual escaping as html/template does it: every action gets the escapers that the place needs where its output goes,
//! so that data cannot become markup, script or style.
//!
//! [`escape`] follows the text of a template through the states of an HTML parser ([`context`], [`transition`]) and returns
//! the set rewritten: actions with escapers at the end of their pipelines, comments dropped, and a copy of a called template
//! for every context it is called in. The escapers themselves are in [`escapers`].

mod attributes;
mod code;
mod context;
mod css;
mod edit;
mod escaper;
mod escapers;
mod js;
mod transition;
mod url;

pub(crate) use escaper::escape;
pub(crate) use escapers::get as escaper;
