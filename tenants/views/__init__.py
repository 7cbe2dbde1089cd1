"""A module for each kind of page; `urls` names them all."""
