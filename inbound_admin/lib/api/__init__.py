"""The manners of the JSON API, the same for every operation. How one writes an operation:

    from inbound_admin.lib.api.values import In, Out, Page, Paged, Text, page_of
    from accounts.api_keys.api import call_router, caller, reads, writes

    router = call_router("Tenants")                     # joined in inbound_admin/api.py by one line

    class TenantOut(Out):                               # snake_case here, camelCase on the wire
        id: str
        created_at: datetime                            # UTC, ISO 8601
        warning: str | None = None                      # with a default: absent unless it is given

    class Wanted(In):                                   # unknown fields and wrong types are refused (400)
        name: Text                                      # no control characters: PostgreSQL holds no NUL
        policy: Literal["standard", "strict"] = "standard"

    class Filters(Paged):                               # a list's query: limit, offset, and your own; unknown ones: 400
        stage: Literal["creating", "ready"] | None = None

    @router.get("/v2/tenants", **reads(Page[TenantOut]), summary="Your tenants")
    def list_tenants(request: HttpRequest, query: Query[Filters]) -> Page[TenantOut]:
        rows, pagination = page_of(selectors.tenants_for(caller(request)), query)
        return Page[TenantOut](data=[_out(row) for row in rows], pagination=pagination)

    @router.post("/v2/tenants", **writes(TenantOut, status=201), summary="Make one")
    def create_tenant(request: HttpRequest, asked: Wanted) -> Status[TenantOut]:
        return Status(201, _out(services.create(..., actor=caller(request))))

- `reads(...)` needs the scope read, `writes(...)` write; `staff=True` asks for the scope staff beside it. A key without
  that scope acts as a customer's, whoever's it is: `has_perm` is false for it. A signed-in session has all that its
  person may; CSRF applies.
- Rows are fetched through the selector that takes the viewer; `get_object_or_404` makes another's row 404.
- Raise `Refused` (422), `Malformed` (400), `Conflict` (409), or let the service do so: `inbound_admin/api.py` has the
  table of codes whose status is another. Never catch AwsProblem: it becomes 502/503 with Amazon's code.
- Every POST honours `Idempotency-Key`, every call its caller's rate: nothing to do for it.
- What takes more than two AWS calls is left to the worker: answer with a status URL, or `wait_until(...)` where the
  old contract demands the result, and say in the answer what is still pending.
- Names of `In` and `Out` classes are unique over all apps: the description calls them by their bare name.
- All methods of one path stand in one router: Django takes the first that knows the path.
- The function's name in camelCase is the operation's id, a contract with generated clients: give it its object
  (`list_tenants`), unique over all apps, and never rename it. tests/public_api/operation_ids.txt lists all ids.
- A row for the operation in tests/test_api_access.py; the fuzz test finds it by itself.
"""
