//! The data of a notification as Alertmanager's templates see it (`template.Data`): `.Alerts.Firing`,
//! `.CommonLabels.SortedPairs`, `.GroupLabels.Names.Join` and so on.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::funcs::Function;
use crate::time::Time;
use crate::types::Type;
use crate::value::{Field, List, Map, Object, Shape, Value};

/// Labels or annotations.
pub type Pairs = BTreeMap<String, String>;

/// One alert of a notification.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// `firing` or `resolved`.
    pub status: String,
    /// Its labels.
    pub labels: Pairs,
    /// Its annotations.
    pub annotations: Pairs,
    /// When it began to fire.
    pub starts_at: Time,
    /// When it ended, or will be taken to have ended; the zero time where unknown.
    pub ends_at: Time,
    /// Where the alert comes from.
    pub generator_url: String,
    /// Sixteen hexadecimal digits over its labels.
    pub fingerprint: String,
}

/// The data of a notification.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notification {
    /// The receiver's name, with what is special in a regular expression quoted.
    pub receiver: String,
    /// `firing` where any alert fires, else `resolved`.
    pub status: String,
    /// The group's alerts.
    pub alerts: Vec<Alert>,
    /// The labels that the group is made by.
    pub group_labels: Pairs,
    /// Labels that all alerts share.
    pub common_labels: Pairs,
    /// Annotations that all alerts share.
    pub common_annotations: Pairs,
    /// The labels of the route.
    pub route_labels: Pairs,
    /// Where users reach Alertmanager's pages.
    pub external_url: String,
    /// Why it is sent.
    pub notification_reason: String,
}

impl Notification {
    /// The data as templates see it.
    pub fn to_value(&self) -> Value {
        self.to_value_as(Flavour::Alertmanager)
    }

    pub(crate) fn to_value_as(&self, flavour: Flavour) -> Value {
        let alerts = self.alerts.iter().map(|alert| alert_value(alert, flavour)).collect();
        let kv = |pairs: &Pairs| kv_value(pairs, flavour);
        let receiver = Field::tagged("Receiver", "receiver", self.receiver.as_str());
        let status = Field::tagged("Status", "status", self.status.as_str());
        let alerts = Field::tagged("Alerts", "alerts", alerts_value(alerts, flavour));
        let reason = Field::tagged("NotificationReason", "notification_reason", self.notification_reason.as_str());
        let group_labels = Field::tagged("GroupLabels", "groupLabels", kv(&self.group_labels));
        let common_labels = Field::tagged("CommonLabels", "commonLabels", kv(&self.common_labels));
        let common_annotations = Field::tagged("CommonAnnotations", "commonAnnotations", kv(&self.common_annotations));
        let route_labels = Field::tagged("RouteLabels", "routeLabels", kv(&self.route_labels));
        let external_url = Field::tagged("ExternalURL", "externalURL", self.external_url.as_str());
        let fields = match flavour {
            Flavour::Alertmanager => vec![
                receiver,
                status,
                alerts,
                reason,
                group_labels,
                common_labels,
                common_annotations,
                route_labels,
                external_url,
            ],
            Flavour::Cases => vec![
                receiver,
                status,
                alerts,
                group_labels,
                common_labels,
                common_annotations,
                external_url,
                route_labels,
                reason,
            ],
        };
        Value::object(Struct { name: flavour.type_name("Data"), fields })
    }
}

/// Whose types these are: Alertmanager's own, or those of the program that answered the conformance cases, in which label
/// sets do not print in a way of their own and the fields of the data stand in another order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    Alertmanager,
    Cases,
}

impl Flavour {
    fn type_name(self, name: &str) -> Cow<'static, str> {
        match self {
            Flavour::Alertmanager => format!("template.{name}").into(),
            Flavour::Cases => format!("main.{name}").into(),
        }
    }
}

#[derive(Debug)]
struct Struct {
    name: Cow<'static, str>,
    fields: Vec<Field>,
}

impl Object for Struct {
    fn type_name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    fn shape(&self) -> Shape {
        Shape::Struct(self.fields.clone())
    }

    fn field(&self, name: &str) -> Option<Field> {
        self.fields.iter().find(|field| field.name == name).cloned()
    }
}

fn alert_value(alert: &Alert, flavour: Flavour) -> Value {
    let fields = vec![
        Field::tagged("Status", "status", alert.status.as_str()),
        Field::tagged("Labels", "labels", kv_value(&alert.labels, flavour)),
        Field::tagged("Annotations", "annotations", kv_value(&alert.annotations, flavour)),
        Field::tagged("StartsAt", "startsAt", alert.starts_at),
        Field::tagged("EndsAt", "endsAt", alert.ends_at),
        Field::tagged("GeneratorURL", "generatorURL", alert.generator_url.as_str()),
        Field::tagged("Fingerprint", "fingerprint", alert.fingerprint.as_str()),
    ];
    Value::object(Struct { name: flavour.type_name("Alert"), fields })
}

/// `Alerts`: a slice with `Firing` and `Resolved`.
#[derive(Debug)]
struct Alerts {
    list: Arc<List>,
    flavour: Flavour,
}

fn alert_list(alerts: Vec<Value>, flavour: Flavour) -> List {
    List::new(Type::Named(flavour.type_name("Alert")), alerts)
}

fn alerts_value(alerts: Vec<Value>, flavour: Flavour) -> Value {
    Value::object(Alerts { list: Arc::new(alert_list(alerts, flavour)), flavour })
}

impl Object for Alerts {
    fn type_name(&self) -> Cow<'static, str> {
        self.flavour.type_name("Alerts")
    }

    fn shape(&self) -> Shape {
        Shape::List(self.list.clone())
    }

    fn method(&self, name: &str) -> Option<Function> {
        let status = match name {
            "Firing" => "firing",
            "Resolved" => "resolved",
            _ => return None,
        };
        let (list, flavour) = (self.list.clone(), self.flavour);
        Some(Function::new([], move |_, _| {
            let has_status = |alert: &&Value| match alert {
                Value::Object(alert) => {
                    alert.field("Status").is_some_and(|field| field.value.as_bytes() == Some(status.as_bytes()))
                }
                _ => false,
            };
            let alerts = list.items().iter().filter(has_status).cloned().collect();
            Ok(Value::List(Arc::new(alert_list(alerts, flavour))))
        }))
    }
}

/// `KV`: a map of strings with `SortedPairs`, `Names`, `Values` and `Remove`.
#[derive(Debug)]
struct Kv {
    map: Arc<Map>,
    flavour: Flavour,
}

fn kv_value(pairs: &Pairs, flavour: Flavour) -> Value {
    let entries = pairs.iter().map(|(k, v)| (k.as_str().into(), v.as_str().into()));
    Value::object(Kv { map: Arc::new(Map::new(Type::String, entries)), flavour })
}

impl Kv {
    /// In name order, but `alertname` first.
    fn sorted(&self) -> Vec<(Value, Value)> {
        let mut pairs: Vec<(Value, Value)> =
            self.map.entries().iter().map(|(k, v)| (Value::Str(k.clone()), v.clone())).collect();
        pairs.sort_by_key(|(name, _)| name.as_bytes() != Some(b"alertname"));
        pairs
    }
}

impl Object for Kv {
    fn type_name(&self) -> Cow<'static, str> {
        self.flavour.type_name("KV")
    }

    fn shape(&self) -> Shape {
        Shape::Map(self.map.clone())
    }

    fn method(&self, name: &str) -> Option<Function> {
        let flavour = self.flavour;
        Some(match name {
            "SortedPairs" => constant(pairs_value(self.sorted(), flavour)),
            "Names" => constant(strings_value(self.sorted().into_iter().map(|(name, _)| name).collect(), flavour)),
            "Values" => constant(strings_value(self.sorted().into_iter().map(|(_, value)| value).collect(), flavour)),
            "String" => constant(self.text()?.into()),
            "Remove" => {
                let map = self.map.clone();
                Function::new([Type::strings()], move |_, args| {
                    let names = args[0].as_list();
                    let removed = |key: &crate::Text| {
                        names.iter().flat_map(|list| list.items()).any(|name| name.as_bytes() == Some(&**key))
                    };
                    let left = map.entries().iter().filter(|(k, _)| !removed(k)).map(|(k, v)| (k.clone(), v.clone()));
                    Ok(Value::object(Kv { map: Arc::new(Map::new(Type::String, left)), flavour }))
                })
            }
            _ => return None,
        })
    }

    fn text(&self) -> Option<String> {
        (self.flavour == Flavour::Alertmanager).then(|| pairs_text(&self.sorted()))
    }
}

fn constant(value: Value) -> Function {
    Function::new([], move |_, _| Ok(value.clone()))
}

fn pairs_text(pairs: &[(Value, Value)]) -> String {
    let text = |value: &Value| value.as_text().unwrap_or_default().into_owned();
    pairs.iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect::<Vec<_>>().join(", ")
}

/// `Pairs`: a slice of names and values.
#[derive(Debug)]
struct PairList {
    pairs: Vec<(Value, Value)>,
    flavour: Flavour,
}

fn pairs_value(pairs: Vec<(Value, Value)>, flavour: Flavour) -> Value {
    Value::object(PairList { pairs, flavour })
}

impl Object for PairList {
    fn type_name(&self) -> Cow<'static, str> {
        self.flavour.type_name("Pairs")
    }

    fn shape(&self) -> Shape {
        let pair = |(name, value): &(Value, Value)| {
            let fields = vec![Field::new("Name", name.clone()), Field::new("Value", value.clone())];
            Value::object(Struct { name: self.flavour.type_name("Pair"), fields })
        };
        let element = Type::Named(self.flavour.type_name("Pair"));
        Shape::List(Arc::new(List::new(element, self.pairs.iter().map(pair).collect())))
    }

    fn method(&self, name: &str) -> Option<Function> {
        Some(match name {
            "Names" => constant(strings_value(self.pairs.iter().map(|(n, _)| n.clone()).collect(), self.flavour)),
            "Values" => constant(strings_value(self.pairs.iter().map(|(_, v)| v.clone()).collect(), self.flavour)),
            "String" => constant(self.text()?.into()),
            _ => return None,
        })
    }

    fn text(&self) -> Option<String> {
        Some(pairs_text(&self.pairs))
    }
}

/// `Strings`: a slice of strings with `Join`.
#[derive(Debug)]
struct Strings(Arc<List>);

fn strings_value(items: Vec<Value>, flavour: Flavour) -> Value {
    let list = Arc::new(List::new(Type::String, items));
    match flavour {
        Flavour::Alertmanager => Value::object(Strings(list)),
        Flavour::Cases => Value::List(list),
    }
}

impl Object for Strings {
    fn type_name(&self) -> Cow<'static, str> {
        "template.Strings".into()
    }

    fn shape(&self) -> Shape {
        Shape::List(self.0.clone())
    }

    fn method(&self, name: &str) -> Option<Function> {
        let list = self.0.clone();
        (name == "Join").then(|| {
            Function::new([Type::String], move |call, args| {
                let separator = args[0].as_bytes().unwrap_or_default();
                let items: Vec<&[u8]> = list.items().iter().filter_map(Value::as_bytes).collect();
                call.reserve(items.iter().map(|item| item.len().saturating_add(separator.len())).sum())?;
                Ok(items.join(separator).into())
            })
        })
    }
}
