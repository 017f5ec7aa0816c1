Answers from phones find whoever wrote: by the address in their text, the reply log, the thread of a mail, or the incoming rules (docs/answers.rst).
