"""Documents that one program writes and another one reads: a type, a reader and a writer each (designs/0019).

None of them imports pydantic. A reader takes parsed JSON, which a program bounds first: a reader bounds every value.
Two kinds of readers: `read` of a task or report raises `Refused` with the name of the first field that is wrong;
`read` of a message of a pod that has ended gives None for no message, and the empty value for each wrong field.
"""
