//! A small model: accounts, and transfers that touch two of them.

use prost::Message;
use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    fault::{Fault, Reason},
    outbox::{
        BoxError, Entity, Migration, Model, Published, SledTables, SqlRow, SqlRows, States, Stored, Write,
    },
};

pub(super) const ACCOUNTS: &str = "accounts";
/// A balance that the schema of a table refuses, though the model does not.
pub(super) const REFUSED_BALANCE: i64 = 666;

#[derive(Debug)]
pub(super) struct Bank;

/// As stored and as decided on.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Account {
    #[prost(int64, tag = "1")]
    pub(super) balance: i64,
    /// Stored.
    #[prost(string, tag = "2")]
    pub(super) memo: String,
    /// So many bytes more in what is published.
    #[prost(uint32, tag = "3")]
    pub(super) padding: u32,
}

/// As published, and as replied.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PublishedAccount {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(int64, tag = "2")]
    pub(super) balance: i64,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) padding: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(super) enum Command {
    Open {
        id: String,
        balance: i64,
    },
    Deposit {
        id: String,
        amount: i64,
    },
    Transfer {
        from: String,
        to: String,
        amount: i64,
    },
    Close {
        id: String,
    },
    /// Writes each with this memo and padding.
    Touch {
        ids: Vec<String>,
        memo: String,
        padding: u32,
    },
    /// Writes nothing.
    Look {
        id: String,
    },
    /// A defect: writes what it does not read.
    Stray,
    /// A defect: panics.
    Panic,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    Exists,
    Missing,
    Poor,
}

impl From<Rejection> for Fault {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Exists => Fault::new(Reason::AlreadyExists, "the account exists"),
            Rejection::Missing => Fault::new(Reason::NotFound, "there is no such account"),
            Rejection::Poor => Fault::new(Reason::WrongState, "the balance does not suffice"),
        }
    }
}

impl Command {
    /// Stands for the request message, which the digest is made of.
    pub(super) fn request(&self) -> String {
        format!("{self:?}")
    }

    fn ids(&self) -> Vec<&String> {
        match self {
            Command::Open { id, .. }
            | Command::Deposit { id, .. }
            | Command::Close { id }
            | Command::Look { id } => vec![id],
            Command::Transfer { from, to, .. } => vec![from, to],
            Command::Touch { ids, .. } => ids.iter().collect(),
            Command::Stray | Command::Panic => Vec::new(),
        }
    }
}

impl Model for Bank {
    type Key = String;
    type State = Account;
    type Command = Command;
    type Rejection = Rejection;

    fn reads(command: &Command) -> Vec<String> {
        command.ids().into_iter().cloned().collect()
    }

    fn decide(
        command: &Command,
        states: &States<Self>,
        _: OffsetDateTime,
    ) -> Result<Vec<Write<Self>>, Rejection> {
        let account = |id: &String| states.get(id).map(|stored| stored.state.clone());
        let existing = |id: &String| account(id).ok_or(Rejection::Missing);
        let pay = |id: &String, amount: i64| {
            let before = existing(id)?;
            let balance = before.balance + amount;
            if balance < 0 {
                Err(Rejection::Poor)
            } else {
                Ok(write(id, Some(Account { balance, ..before }), "Paid"))
            }
        };
        match command {
            Command::Open { id, .. } if account(id).is_some() => Err(Rejection::Exists),
            Command::Open { id, balance } => {
                Ok(vec![write(id, Some(Account { balance: *balance, ..Account::default() }), "Opened")])
            }
            Command::Deposit { id, amount } => Ok(vec![pay(id, *amount)?]),
            Command::Transfer { from, to, amount } => Ok(vec![pay(from, -amount)?, pay(to, *amount)?]),
            Command::Close { id } => existing(id).map(|_| vec![write(id, None, "Closed")]),
            Command::Touch { ids, memo, padding } => Ok(ids
                .iter()
                .map(|id| {
                    let before = account(id).unwrap_or_default();
                    let after = Account { memo: memo.clone(), padding: *padding, ..before };
                    write(id, Some(after), "Touched")
                })
                .collect()),
            Command::Look { id } => existing(id).map(|_| Vec::new()),
            Command::Stray => Ok(vec![write("stray", Some(Account::default()), "Strayed")]),
            Command::Panic => panic!("as planned"),
        }
    }
}

fn write(id: &str, state: Option<Account>, event: &'static str) -> Write<Bank> {
    Write { key: id.to_owned(), state, event }
}

impl Published for Bank {
    const ENTITIES: &'static [&'static str] = &[ACCOUNTS];

    fn publish(key: &String, stored: Option<&Stored<Account>>) -> Option<Entity> {
        let account = stored.map_or_else(
            || PublishedAccount { id: key.clone(), ..PublishedAccount::default() },
            |stored| PublishedAccount {
                id: key.clone(),
                balance: stored.state.balance,
                padding: vec![0; stored.state.padding as usize],
            },
        );
        let type_url = "type.googleapis.com/test.Account".to_owned();
        let value = prost_types::Any { type_url, value: account.encode_to_vec() };
        Some(Entity { name: ACCOUNTS, key: key.clone(), value })
    }
}

/// The balance that an account is said to have by its published form.
pub(super) fn balance(value: &prost_types::Any) -> i64 {
    PublishedAccount::decode(value.value.as_slice()).unwrap().balance
}

/// The first account of the command, as it was left.
pub(super) fn respond(command: &Command) -> impl Fn(&States<Bank>) -> PublishedAccount + Send + 'static {
    let id = command.ids().first().map_or_else(String::new, ToString::to_string);
    move |states| {
        let balance = states.get(&id).map_or(-1, |stored| stored.state.balance);
        PublishedAccount { id: id.clone(), balance, padding: Vec::new() }
    }
}

impl SledTables for Bank {
    type Model = Bank;

    fn place(key: &String) -> (&'static str, String) {
        (ACCOUNTS, key.clone())
    }

    fn key(_: &str, id: &str) -> String {
        id.to_owned()
    }

    fn encode(state: &Account) -> Vec<u8> {
        state.encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Account, BoxError> {
        Ok(Account::decode(bytes)?)
    }
}

/// An account as a row.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    balance: i64,
    memo: &'a str,
    padding: u32,
}

impl SqlRows for Bank {
    type Model = Bank;
    type Row<'a> = Row<'a>;

    const TABLE: &'static str = ACCOUNTS;
    const KEY: &'static str = "id";
    const COLUMNS: &'static [&'static str] = &["balance", "memo", "padding"];
    const ON_SQLITE: &'static [Migration] = &[(
        1,
        "accounts",
        "CREATE TABLE accounts (
            id TEXT NOT NULL PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance <> 666), memo TEXT NOT NULL,
            padding INTEGER NOT NULL, sequence INTEGER NOT NULL, version INTEGER NOT NULL,
            create_time INTEGER NOT NULL, update_time INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    )];
    const ON_POSTGRES: &'static [Migration] = &[(
        1,
        "accounts",
        "CREATE TABLE accounts (
            id TEXT COLLATE \"C\" PRIMARY KEY, balance BIGINT NOT NULL CHECK (balance <> 666), memo TEXT NOT NULL,
            padding BIGINT NOT NULL, sequence BIGINT NOT NULL, version BIGINT NOT NULL,
            create_time BIGINT NOT NULL, update_time BIGINT NOT NULL)",
    )];

    fn condition(collection: &str) -> Option<&'static str> {
        (collection == ACCOUNTS).then_some("TRUE")
    }

    fn row(account: &Account) -> Row<'_> {
        let Account { balance, memo, padding } = account;
        Row { balance: *balance, memo, padding: *padding }
    }

    fn read(row: &SqlRow<'_>) -> Result<Account, BoxError> {
        let padding: i64 = row.get("padding")?;
        Ok(Account { balance: row.get("balance")?, memo: row.get("memo")?, padding: padding.try_into()? })
    }
}
