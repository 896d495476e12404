//! Go's `text/template` and `html/template`, because the templates in users' rule files, Alertmanager configurations and
//! LogQL queries are Go templates: the same actions, the same functions, the same formatting of every value, the same
//! contextual escaping in HTML, and errors that name line and column as Go's do.
//!
//! [`Template`] is a set of named templates in one [`Mode`]; [`Value`] is what they compute with and [`Object`] the door for
//! types of other crates; [`Funcs`] holds the functions. The sets of Prometheus, Alertmanager and Loki are in [`funcs`], the
//! data of a notification in [`data`]. [`fmt`] is Go's formatted printing, [`time`] its `time.Time`, [`json`] its
//! `encoding/json` writer. [`cases`] runs files of templates with known output.
//!
//! It does no I/O but for [`cases`], reads no clock but one that is given, and a template cannot make it panic, hang or eat
//! memory: [`Limits`] bounds steps, nesting, output and what functions produce.

pub mod cases;
pub mod data;
mod error;
mod exec;
pub mod fmt;
pub mod funcs;
mod html;
pub mod json;
mod parse;
mod set;
pub mod size;
pub mod text;
pub mod time;
pub mod types;
mod value;

pub use error::Error;
pub use exec::Limits;
pub use funcs::{Call, Funcs, Function};
pub use set::{MissingKey, Mode, Template};
pub use text::Text;
pub use types::Type;
pub use value::{Constant, Field, List, MAX_VALUE_DEPTH, Map, Object, Shape, Value};
