"""Conventions of the JSON API. How to write an operation:

    from inbound_admin.lib.api.schemas import In, Out, Page, Paged, Text, page_of
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
        stage: Literal["creating", "ready"] | None = Field(None, description="Its stage")

    @router.get("/v2/tenants", **reads(Page[TenantOut]), summary="List tenants")    # a verb and its object
    def list_tenants(request: HttpRequest, query: Query[Filters]) -> Page[TenantOut]:
        # The docstring is published: what it returns, then what is refused with which code.
        rows, pagination = page_of(selectors.tenants_for(caller(request)), query)
        return Page[TenantOut](data=[_out(row) for row in rows], pagination=pagination)

    @router.post("/v2/tenants", **writes(TenantOut, status=201), summary="Create a tenant")
    def create_tenant(request: HttpRequest, asked: Wanted) -> Status[TenantOut]:
        return Status(201, _out(services.create(..., actor=caller(request))))

- `reads(...)` requires the scope read, `writes(...)` write; `staff=True` also requires staff. A key without that scope
  acts as a customer's, also if its user is staff: `has_perm` is false for it. A signed-in session has all permissions
  of its user; CSRF applies.
- Fetch rows through the selector that takes the viewer; `get_object_or_404` then answers 404 for another customer's.
- An ID in a filter goes through `validation.require_id`: 400 if the caller can't see the object.
- Raise `Refused` (422), `Malformed` (400), `Conflict` (409), or let the service do so: `inbound_admin/api.py` has the
  table of codes with another status. Never catch AwsProblem: it becomes 502/503 with AWS's code.
- Every POST honours `Idempotency-Key`, and every call the rate limit, without further code.
- Leave what takes more than two AWS calls to the worker: return a status URL, or use `slow_work.wait_until(...)` where
  the old contract requires the result, and say in the response what is still pending.
- Names of `In` and `Out` classes are unique over all apps, since the description uses their bare names.
- All methods of one path are in one router: Django uses the first one that matches the path.
- The function's name in camelCase is the operation ID, a contract with generated clients: include its object
  (`list_tenants`), keep it unique over all apps, and never rename it. tests/public_api/operation_ids.txt lists them.
- Add a row for the operation to tests/test_api_access.py; the fuzz test finds it automatically.
"""
