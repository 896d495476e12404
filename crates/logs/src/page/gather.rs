//! Putting the values of one field together: where each entry has it, and in which form they are handed out.

use blocks::bytes::Damaged;
use model::{ABSENT, Column, Lines, NumberStyle as Style};

use super::Template;
use super::decoded::{Decoded, List, Writing};
use super::fields::At;

/// Where an entry has its value.
#[derive(Clone, Debug)]
pub(super) enum Place<'f> {
    Absent,
    Text(&'f str),
    /// Column, and place in it.
    Column(u32, u32),
}

pub(super) type Places<'f> = (Vec<Place<'f>>, Vec<u32>);

/// Where each entry has a field, and the columns that are needed for it.
pub(super) fn places<'f>(at: &'f [At], templates: &[Template], ids: &[u32]) -> Result<Places<'f>, Damaged> {
    let mut used: Vec<u32> = Vec::new();
    for (at, template) in at.iter().zip(templates) {
        if let At::Slot(slot) = at {
            let cut = template.cuts.get(*slot as usize).ok_or(Damaged("a field of no place"))?;
            if !used.contains(&cut.column) {
                used.push(cut.column);
            }
        }
    }
    // For each template how far it moves on in each column, and where in that step the field stands.
    let steps: Vec<Vec<u32>> = templates
        .iter()
        .map(|t| used.iter().map(|column| t.cuts.iter().filter(|cut| cut.column == *column).count() as u32).collect())
        .collect();
    let inside: Vec<Option<(usize, u32)>> = at
        .iter()
        .zip(templates)
        .map(|(at, template)| {
            let At::Slot(slot) = at else { return None };
            let column = template.cuts[*slot as usize].column;
            let before = template.cuts[..*slot as usize].iter().filter(|cut| cut.column == column).count() as u32;
            Some((used.iter().position(|other| *other == column)?, before))
        })
        .collect();
    let mut next = vec![0_u32; used.len()];
    let mut places = Vec::with_capacity(ids.len());
    for id in ids {
        let id = *id as usize;
        places.push(match (&at[id], inside[id]) {
            (At::Slot(_), Some((place, before))) => Place::Column(used[place], next[place] + before),
            (At::Text(text), _) => Place::Text(text),
            _ => Place::Absent,
        });
        next.iter_mut().zip(&steps[id]).for_each(|(next, step)| *next += step);
    }
    Ok((places, used))
}

/// The texts of a column as those of the entries, one each.
pub(super) fn dense(decoded: &Decoded, entries: usize, typed: bool) -> Result<Column, Damaged> {
    match decoded {
        Decoded::Constant(text) => {
            let text = std::str::from_utf8(text.text()).map_err(|_| Damaged("not UTF-8"))?;
            return Ok(Column::Dictionary { values: vec![Box::from(text)], codes: vec![0; entries] });
        }
        Decoded::Dictionary { list, codes } => {
            return Ok(Column::Dictionary { values: dictionary(list)?, codes: codes.clone() });
        }
        Decoded::Numbers { prefix, suffix, style, values }
            if typed && prefix.text().is_empty() && suffix.text().is_empty() =>
        {
            if *style == Style::Plain {
                return Ok(Column::Integers { values: values.clone(), present: None });
            }
            if let Some(values) = floats(*style, values) {
                return Ok(Column::Floats { values, present: None });
            }
        }
        _ => {}
    }
    let mut values = Lines::default();
    let mut writing = Writing::default();
    for index in 0..entries {
        decoded.write(index, &mut writing, &mut values.text);
        values.ends.push(values.text.len() as u32);
        values.text.push(b'\n');
    }
    Ok(Column::Texts { values, present: None })
}

/// Puts values together. Numbers become numbers only where `typed`.
pub(super) fn collect(places: &[Place<'_>], columns: &[(u32, Decoded)], typed: bool) -> Result<Column, Damaged> {
    let has_text = places.iter().any(|place| matches!(place, Place::Text(_)));
    if let ([(_, decoded)], false) = (columns, has_text)
        && let Some(column) = collect_one(places, decoded, typed)?
    {
        return Ok(column);
    }
    if columns.iter().all(|(_, decoded)| matches!(decoded, Decoded::Constant(_))) {
        return collect_constants(places, columns);
    }
    let mut values = Lines::default();
    let mut writing = vec![Writing::default(); columns.len()];
    let mut scratch = Vec::new();
    for place in places {
        scratch.clear();
        match place {
            Place::Absent => {}
            Place::Text(text) => scratch.extend_from_slice(text.as_bytes()),
            Place::Column(column, at) => {
                let found = columns.iter().zip(&mut writing).find(|((number, _), _)| number == column);
                let ((_, decoded), writing) = found.ok_or(Damaged("a field of no column"))?;
                decoded.write(*at as usize, writing, &mut scratch);
            }
        }
        values.push(&scratch);
    }
    Ok(Column::Texts { values, present: present(places) })
}

fn present(places: &[Place<'_>]) -> Option<Vec<bool>> {
    let present: Vec<bool> = places.iter().map(|place| !matches!(place, Place::Absent)).collect();
    present.contains(&false).then_some(present)
}

/// The place of each entry in the only column; 0 where absent.
fn index(place: &Place<'_>) -> Option<usize> {
    match place {
        Place::Column(_, at) => Some(*at as usize),
        _ => None,
    }
}

fn collect_one(places: &[Place<'_>], decoded: &Decoded, typed: bool) -> Result<Option<Column>, Damaged> {
    match decoded {
        Decoded::Dictionary { list, codes } => {
            let values = dictionary(list)?;
            let codes = places.iter().map(|place| index(place).map_or(ABSENT, |at| codes[at])).collect();
            Ok(Some(Column::Dictionary { values, codes }))
        }
        Decoded::Numbers { prefix, suffix, style, values }
            if typed && prefix.text().is_empty() && suffix.text().is_empty() =>
        {
            Ok(numbers(places, *style, values))
        }
        _ => Ok(None),
    }
}

fn dictionary(list: &List) -> Result<Vec<Box<str>>, Damaged> {
    let text = |index| std::str::from_utf8(list.get(index)).map(Box::from).map_err(|_| Damaged("not UTF-8"));
    (0..list.ends.len()).map(text).collect()
}

/// Numbers as numbers, where their shortest form is their text.
fn numbers(places: &[Place<'_>], style: Style, values: &[i64]) -> Option<Column> {
    if style == Style::Plain {
        let of = |place: &Place<'_>| index(place).map_or(0, |at| values[at]);
        return Some(Column::Integers { values: places.iter().map(of).collect(), present: present(places) });
    }
    let floats = floats(style, values)?;
    let of = |place: &Place<'_>| index(place).map_or(0.0, |at| floats[at]);
    Some(Column::Floats { values: places.iter().map(of).collect(), present: present(places) })
}

fn floats(style: Style, values: &[i64]) -> Option<Vec<f64>> {
    const EXACT: u64 = 1 << 53;
    let Style::Shortest(scale @ 0..=15) = style else { return None };
    if values.iter().any(|value| value.unsigned_abs() > EXACT) {
        return None;
    }
    let divisor = 10_f64.powi(i32::from(scale));
    Some(values.iter().map(|value| *value as f64 / divisor).collect())
}

/// All texts are of templates, or of columns with one text.
fn collect_constants(places: &[Place<'_>], columns: &[(u32, Decoded)]) -> Result<Column, Damaged> {
    let mut values: Vec<Box<str>> = Vec::new();
    let mut codes = Vec::with_capacity(places.len());
    for place in places {
        let text = match place {
            Place::Absent => {
                codes.push(ABSENT);
                continue;
            }
            Place::Text(text) => *text,
            Place::Column(column, _) => match columns.iter().find(|(number, _)| number == column) {
                Some((_, Decoded::Constant(text))) => {
                    std::str::from_utf8(text.text()).map_err(|_| Damaged("not UTF-8"))?
                }
                _ => return Err(Damaged("a field of no column")),
            },
        };
        let code = values.iter().position(|known| **known == *text).unwrap_or_else(|| {
            values.push(Box::from(text));
            values.len() - 1
        });
        codes.push(code as u32);
    }
    Ok(Column::Dictionary { values, codes })
}
